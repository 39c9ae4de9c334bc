package main

import (
	"crypto/tls"
	"io"
	"net/url"
)

// A client asks one thing at a time; an answer is read, or the client closed, before it asks the next.
type client interface {
	// dial connects ahead of the first request, where that makes sense.
	dial() error
	ask(r request) (*answer, error)
	// close ends the connection, or with HTTP/2 the answer that is being read.
	close()
}

// clients says how to make clients of the server that the flags are about.
func clients() (func() client, error) {
	target, err := url.Parse(*server)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{InsecureSkipVerify: true, ServerName: target.Hostname()}
	if *cert != "" {
		pair, err := tls.LoadX509KeyPair(*cert, *key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	if *http2 {
		shared := http2Client(config)
		return func() client { return &standard{http: shared} }, nil
	}
	return func() client { return &connection{address: target.Host, config: config} }, nil
}

// pieces is a body, read bit by bit: each piece is good until the next is asked for. io.EOF comes after the last.
type pieces interface {
	next() ([]byte, error)
}

type answer struct {
	status int
	body   pieces
}

// excerpt is how much of an unexpected answer is kept, in bytes.
const excerpt = 200

// rest reads what is left of the body: its size in bytes, and how it begins if it is no success.
func (a *answer) rest() (int64, []byte, error) {
	var size int64
	var begin []byte
	for {
		piece, err := a.body.next()
		if err == io.EOF {
			return size, begin, nil
		}
		if err != nil {
			return size, begin, err
		}
		size += int64(len(piece))
		if a.status >= 300 && len(begin) < excerpt {
			begin = append(begin, piece[:min(len(piece), excerpt-len(begin))]...)
		}
	}
}
