// Echo with gnet 2, streams and datagrams. Usage: gnet NETWORK PORT LOOPS, with NETWORK tcp or udp.
package main

import (
	"log"
	"os"
	"strconv"

	"github.com/panjf2000/gnet/v2"
)

type echo struct {
	gnet.BuiltinEventEngine
}

func (*echo) OnTraffic(conn gnet.Conn) gnet.Action {
	data, err := conn.Next(-1)
	if err != nil {
		return gnet.Close
	}
	if _, err = conn.Write(data); err != nil {
		return gnet.Close
	}
	return gnet.None
}

func main() {
	if len(os.Args) != 4 {
		log.Fatal("usage: gnet NETWORK PORT LOOPS")
	}
	loops, err := strconv.Atoi(os.Args[3])
	if err != nil {
		log.Fatal(err)
	}
	address := os.Args[1] + "://127.0.0.1:" + os.Args[2]
	log.Fatal(gnet.Run(new(echo), address, gnet.WithNumEventLoop(loops)))
}
