package main

import "github.com/panjf2000/gnet/v2"

// Sends back what has come.
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
