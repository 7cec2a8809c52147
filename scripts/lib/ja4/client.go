// A client in Go: one or two requests over TLS, whose answers it prints.
package main

import (
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"net"
)

func main() {
	address := flag.String("address", "", "address and port")
	protocol := flag.String("alpn", "", "protocol of ALPN")
	old := flag.Bool("tls12", false, "TLS 1.2 at most")
	twice := flag.Bool("twice", false, "resume the session")
	flag.Parse()
	config := &tls.Config{
		ServerName:         "www.example.com",
		InsecureSkipVerify: true,
		ClientSessionCache: tls.NewLRUClientSessionCache(4),
	}
	if *protocol != "" {
		config.NextProtos = []string{*protocol}
	}
	if *old {
		config.MaxVersion = tls.VersionTLS12
	}
	ask(*address, config)
	if *twice {
		ask(*address, config)
	}
}

func ask(address string, config *tls.Config) {
	plain, err := net.Dial("tcp", address)
	if err != nil {
		panic(err)
	}
	client := tls.Client(plain, config)
	fmt.Fprint(client, "GET / HTTP/1.1\r\nHost: www.example.com\r\nConnection: close\r\n\r\n")
	answer, err := io.ReadAll(client)
	if err != nil {
		panic(err)
	}
	fmt.Print(string(answer))
	client.Close()
}
