package main

import (
	"strconv"
	"time"

	"github.com/panjf2000/gnet/v2"
)

const body = "Hello, World!"

// HTTP/1.1 in the manner of gnet's own example: requests are parsed out of what has come, and answered by one write
// for all that were pipelined. GET /plaintext, with the headers of the other servers here, whose date is kept for a
// second as they keep it. One loop only: nothing is locked.
type site struct {
	gnet.BuiltinEventEngine
	second    int64
	date      string
	responses []byte
}

func (s *site) OnTraffic(conn gnet.Conn) gnet.Action {
	data, err := conn.Peek(-1)
	if err != nil {
		return gnet.Close
	}
	s.lookAtTheClock()
	s.responses = s.responses[:0]
	taken := 0
	for taken < len(data) {
		path, size, err := parseRequest(data[taken:])
		if err != nil {
			return gnet.Close
		}
		if size == 0 {
			break
		}
		s.respond(path)
		taken += size
	}
	if taken == 0 {
		return gnet.None
	}
	if _, err = conn.Discard(taken); err != nil {
		return gnet.Close
	}
	if _, err = conn.Write(s.responses); err != nil {
		return gnet.Close
	}
	return gnet.None
}

func (s *site) respond(path []byte) {
	status, text := "404 Not Found", ""
	if string(path) == "/plaintext" {
		status, text = "200 OK", body
	}
	s.responses = append(s.responses, "HTTP/1.1 "...)
	s.responses = append(s.responses, status...)
	s.responses = append(s.responses, "\r\nServer: gnet\r\nDate: "...)
	s.responses = append(s.responses, s.date...)
	s.responses = append(s.responses, "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: "...)
	s.responses = strconv.AppendInt(s.responses, int64(len(text)), 10)
	s.responses = append(s.responses, "\r\n\r\n"...)
	s.responses = append(s.responses, text...)
}

func (s *site) lookAtTheClock() {
	now := time.Now()
	if now.Unix() != s.second {
		s.second, s.date = now.Unix(), now.UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
	}
}
