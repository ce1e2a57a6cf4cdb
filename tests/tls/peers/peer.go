// A peer of Go's crypto/tls. Usage: peer client ADDRESS CA [starttls] | peer server CERTIFICATE KEY.
// The client says what comes on standard input, then its end, and prints what it hears; the server echoes.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log"
	"net"
	"os"
)

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func client(address, ca string, startsPlain bool) {
	pem, err := os.ReadFile(ca)
	check(err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	config := &tls.Config{RootCAs: roots, ServerName: "server.example", NextProtos: []string{"toy"}}
	plain, err := net.Dial("tcp", address)
	check(err)
	if startsPlain {
		_, err = plain.Write([]byte("STARTTLS\r\n"))
		check(err)
		answer := make([]byte, 14)
		_, err = io.ReadFull(plain, answer)
		check(err)
	}
	conn := tls.Client(plain, config)
	check(conn.Handshake())
	state := conn.ConnectionState()
	fmt.Fprintf(os.Stderr, "%s %s\n", tls.VersionName(state.Version), state.NegotiatedProtocol)
	go func() {
		_, err := io.Copy(conn, os.Stdin)
		check(err)
		check(conn.CloseWrite())
	}()
	_, err = io.Copy(os.Stdout, conn) // an error, unless close_notify has come
	check(err)
}

func server(certificate, key string) {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	check(err)
	config := &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"toy"}}
	listener, err := tls.Listen("tcp", "127.0.0.1:0", config)
	check(err)
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	conn, err := listener.Accept()
	check(err)
	_, err = io.Copy(conn, bufio.NewReader(conn))
	check(err)
	check(conn.(*tls.Conn).CloseWrite())
	check(conn.Close())
}

func main() {
	switch os.Args[1] {
	case "client":
		client(os.Args[2], os.Args[3], len(os.Args) > 4)
	case "server":
		server(os.Args[2], os.Args[3])
	}
}
