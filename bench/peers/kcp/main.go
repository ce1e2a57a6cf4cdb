// An echo by kcp-go without encryption and error correction, and a client that checks one.
//
//	kcp serve [FLAGS] HOST:PORT
//	kcp check [FLAGS] HOST:PORT
package main

import (
	"errors"
	"flag"
	"log"
	"os"

	"github.com/xtaci/kcp-go/v5"
)

const (
	largestRead  = 1 << 18 // bytes: more than a message may have
	socketBuffer = 4 << 20 // bytes; the kernel takes as much of it as net.core.rmem_max allows
)

var commands = map[string]func(arguments []string) error{"serve": serve, "check": check}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		log.Fatal("usage: kcp serve|check [FLAGS] HOST:PORT")
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		log.Fatal(err)
	}
}

// What a session is told, as netcore's sessions are unless they are told otherwise.
type settings struct {
	noDelay, interval, resend, noCongestion int
	sendWindow, receiveWindow, mtu          int
	stream                                  bool
}

// Adds these flags to those of a command, and returns the address that is left of its arguments.
func (s *settings) parse(flags *flag.FlagSet, arguments []string) (string, error) {
	flags.IntVar(&s.noDelay, "nodelay", 1, "1: wait 30 ms at least before sending again, not 100")
	flags.IntVar(&s.interval, "interval", 10, "milliseconds between two looks at what is to be sent")
	flags.IntVar(&s.resend, "resend", 2, "send again what so many later ones have overtaken; 0: never")
	flags.IntVar(&s.noCongestion, "nc", 1, "1: no congestion control")
	flags.IntVar(&s.sendWindow, "sndwnd", 128, "segments")
	flags.IntVar(&s.receiveWindow, "rcvwnd", 128, "segments")
	flags.IntVar(&s.mtu, "mtu", 1400, "bytes of a datagram")
	flags.BoolVar(&s.stream, "stream", true, "join and split what is sent as it fits")
	if err := flags.Parse(arguments); err != nil {
		return "", err
	}
	if flags.NArg() != 1 {
		return "", errors.New("HOST:PORT is missing")
	}
	return flags.Arg(0), nil
}

func (s *settings) apply(session *kcp.UDPSession) error {
	session.SetNoDelay(s.noDelay, s.interval, s.resend, s.noCongestion)
	session.SetWindowSize(s.sendWindow, s.receiveWindow)
	session.SetStreamMode(s.stream)
	if !session.SetMtu(s.mtu) {
		return errors.New("the mtu is too small")
	}
	return nil
}
