package main

import (
	"bufio"
	"crypto/tls"
	"strconv"
)

// readSize is the buffer of one connection in bytes, room for four records of TLS.
const readSize = 64 << 10

// A connection is an HTTP/1.1 client on one connection, which one goroutine uses.
type connection struct {
	address string
	config  *tls.Config
	tls     *tls.Conn // nil until there is one
	in      *bufio.Reader
	out     []byte
	body    body
	answer  answer
}

func (c *connection) dial() error {
	made, err := tls.Dial("tcp", c.address, c.config)
	if err != nil {
		return err
	}
	c.tls = made
	if c.in == nil {
		c.in = bufio.NewReaderSize(made, readSize)
	} else {
		c.in.Reset(made)
	}
	return nil
}

func (c *connection) close() {
	if c.tls != nil {
		c.tls.Close()
		c.tls = nil
	}
}

// ask connects first where the server has closed the connection. It may do so at any time: a GET that finds it closed
// is asked once more.
func (c *connection) ask(r request) (*answer, error) {
	isReused := c.tls != nil
	a, err := c.exchange(r)
	if err != nil && isReused && r.method == "GET" {
		a, err = c.exchange(r)
	}
	return a, err
}

func (c *connection) exchange(r request) (*answer, error) {
	if c.tls == nil {
		if err := c.dial(); err != nil {
			return nil, err
		}
	}
	c.out = c.appendRequest(c.out[:0], r)
	_, err := c.tls.Write(c.out)
	if err == nil {
		err = c.head()
	}
	if err != nil {
		c.close()
		return nil, err
	}
	return &c.answer, nil
}

func (c *connection) appendRequest(to []byte, r request) []byte {
	to = append(to, r.method...)
	to = append(to, ' ')
	to = append(to, r.path...)
	to = append(to, " HTTP/1.1\r\nHost: "...)
	to = append(to, c.address...)
	to = append(to, "\r\nUser-Agent: apiload\r\nAccept: application/json\r\n"...)
	if !*plain {
		to = append(to, "Accept-Encoding: gzip\r\n"...)
	}
	if *token != "" {
		to = append(to, "Authorization: Bearer "...)
		to = append(to, *token...)
		to = append(to, "\r\n"...)
	}
	if r.body != "" {
		to = append(to, "Content-Type: "...)
		to = append(to, r.kind...)
		to = append(to, "\r\nContent-Length: "...)
		to = strconv.AppendInt(to, int64(len(r.body)), 10)
		to = append(to, "\r\n"...)
	}
	to = append(to, "\r\n"...)
	return append(to, r.body...)
}
