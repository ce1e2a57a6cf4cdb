package main

import (
	"encoding/binary"
	"flag"
	"fmt"
	"net"

	"github.com/xtaci/kcp-go/v5"
)

// Sends back what has come, and says first where it listens.
func serve(arguments []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	sizes := flags.Bool("sizes", false, "answer with the size of what was read at a time, 4 bytes in network order")
	var how settings
	address, err := how.parse(flags, arguments)
	if err != nil {
		return err
	}
	listener, err := kcp.ListenWithOptions(address, nil, 0, 0)
	if err != nil {
		return err
	}
	if err = listener.SetReadBuffer(socketBuffer); err != nil {
		return err
	}
	if err = listener.SetWriteBuffer(socketBuffer); err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	for {
		session, err := listener.AcceptKCP()
		if err != nil {
			return err
		}
		if err = how.apply(session); err != nil {
			return err
		}
		if *sizes {
			go answer(session, sizeOf)
		} else {
			go answer(session, itself)
		}
	}
}

func answer(session net.Conn, reply func(message []byte) []byte) {
	defer session.Close()
	buffer := make([]byte, largestRead)
	for {
		count, err := session.Read(buffer)
		if err != nil {
			return
		}
		if _, err = session.Write(reply(buffer[:count])); err != nil {
			return
		}
	}
}

func itself(message []byte) []byte {
	return message
}

func sizeOf(message []byte) []byte {
	return binary.BigEndian.AppendUint32(nil, uint32(len(message)))
}
