package main

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand"
	"net"
	"time"

	"github.com/xtaci/kcp-go/v5"
)

// What a session of the client sends, and wants back.
type errand struct {
	settings
	total, piece int // bytes
	whole        bool
	timeout      time.Duration
}

// Sends random bytes to an echo, on several sessions at once, and fails unless each gets back its own, in order.
func check(arguments []string) error {
	var task errand
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	sessions := flags.Int("sessions", 1, "sessions, each from a port of its own")
	flags.IntVar(&task.total, "bytes", 100000, "bytes that each of them sends")
	flags.IntVar(&task.piece, "size", 1000, "bytes of a write")
	flags.BoolVar(&task.whole, "whole", false, "each write has to come back as one read")
	flags.DurationVar(&task.timeout, "timeout", 90*time.Second, "for all of it")
	address, err := task.settings.parse(flags, arguments)
	if err != nil {
		return err
	}
	ends := make(chan error, *sessions)
	for seed := range *sessions {
		go func() { ends <- task.run(address, int64(seed)) }()
	}
	for range *sessions {
		if err = <-ends; err != nil {
			return err
		}
	}
	return nil
}

func (e *errand) run(address string, seed int64) error {
	session, err := kcp.DialWithOptions(address, nil, 0, 0)
	if err != nil {
		return err
	}
	defer session.Close()
	if err = e.settings.apply(session); err != nil {
		return err
	}
	if err = session.SetDeadline(time.Now().Add(e.timeout)); err != nil {
		return err
	}
	data := make([]byte, e.total)
	rand.New(rand.NewSource(seed)).Read(data)
	sent := make(chan error, 1)
	go func() { sent <- e.send(session, data) }()
	if err = e.receive(session, data); err != nil {
		return err
	}
	if err = <-sent; err != nil {
		return err
	}
	// Receipts leave within an interval, and closing would keep the last ones here.
	time.Sleep(2 * time.Duration(e.interval) * time.Millisecond)
	return nil
}

func (e *errand) send(session net.Conn, data []byte) error {
	for len(data) > 0 {
		size := min(e.piece, len(data))
		if _, err := session.Write(data[:size]); err != nil {
			return fmt.Errorf("with %d bytes to be sent: %w", len(data), err)
		}
		data = data[size:]
	}
	return nil
}

func (e *errand) receive(session net.Conn, data []byte) error {
	buffer := make([]byte, largestRead)
	for len(data) > 0 {
		count, err := session.Read(buffer)
		if err != nil {
			return fmt.Errorf("with %d bytes to come: %w", len(data), err)
		}
		if !bytes.HasPrefix(data, buffer[:count]) {
			return fmt.Errorf("with %d bytes to come: other bytes came back than were sent", len(data))
		}
		if e.whole && count != min(e.piece, len(data)) {
			return fmt.Errorf("with %d bytes to come: a read of %d is not a message", len(data), count)
		}
		data = data[count:]
	}
	return nil
}
