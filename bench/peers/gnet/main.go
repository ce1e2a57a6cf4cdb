// Servers with gnet 2. Usage: gnet APPLICATION NETWORK PORT LOOPS, with APPLICATION echo or http, NETWORK tcp or udp.
package main

import (
	"log"
	"os"
	"strconv"

	"github.com/panjf2000/gnet/v2"
)

var applications = map[string]func() gnet.EventHandler{
	"echo": func() gnet.EventHandler { return new(echo) },
	"http": func() gnet.EventHandler { return new(site) },
}

func main() {
	if len(os.Args) != 5 {
		log.Fatal("usage: gnet APPLICATION NETWORK PORT LOOPS")
	}
	application, known := applications[os.Args[1]]
	if !known {
		log.Fatal("APPLICATION must be echo or http")
	}
	loops, err := strconv.Atoi(os.Args[4])
	if err != nil {
		log.Fatal(err)
	}
	address := os.Args[2] + "://127.0.0.1:" + os.Args[3]
	log.Fatal(gnet.Run(application(), address, gnet.WithNumEventLoop(loops)))
}
