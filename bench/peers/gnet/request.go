package main

import (
	"bytes"
	"errors"
	"strconv"
)

var errMalformed = errors.New("not an HTTP/1.1 request")

var (
	lineEnd       = []byte("\r\n")
	version       = []byte("HTTP/1.1")
	contentLength = []byte("content-length")
)

// Reads one request (RFC 9112). Its size is 0 until all of it is there; path belongs to data.
func parseRequest(data []byte) (path []byte, size int, err error) {
	line, at := nextLine(data, 0)
	if at == 0 {
		return nil, 0, nil
	}
	_, target, spaced := bytes.Cut(line, []byte{' '})
	path, protocol, spacedAgain := bytes.Cut(target, []byte{' '})
	if !spaced || !spacedAgain || !bytes.Equal(protocol, version) {
		return nil, 0, errMalformed
	}
	length := 0
	for {
		begin := at
		line, at = nextLine(data, begin)
		if at == begin {
			return nil, 0, nil
		}
		if len(line) == 0 {
			break
		}
		name, value, found := bytes.Cut(line, []byte{':'})
		if !found {
			return nil, 0, errMalformed
		}
		if len(name) == len(contentLength) && bytes.EqualFold(name, contentLength) {
			length, err = strconv.Atoi(string(bytes.TrimSpace(value)))
			if err != nil || length < 0 {
				return nil, 0, errMalformed
			}
		}
	}
	if len(data)-at < length {
		return nil, 0, nil
	}
	return path, at + length, nil
}

// Returns the line that begins at, and where the next one does: at the same place if it has no end yet.
func nextLine(data []byte, at int) ([]byte, int) {
	end := bytes.Index(data[at:], lineEnd)
	if end < 0 {
		return nil, at
	}
	return data[at : at+end], at + end + len(lineEnd)
}
