package main

import (
	"crypto/tls"
	"io"
	"net/http"
	"strings"
)

// standard asks by net/http's client, for HTTP/2: all workers share that and the connection that it makes.
type standard struct {
	http *http.Client
	body io.Closer // of the last answer
}

func http2Client(config *tls.Config) *http.Client {
	return &http.Client{
		Transport: &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: true, DisableCompression: true},
	}
}

func (s *standard) dial() error { return nil }

func (s *standard) close() {
	if s.body != nil {
		s.body.Close()
	}
}

func (s *standard) ask(r request) (*answer, error) {
	asked, err := http.NewRequest(r.method, *server+r.path, strings.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	if *token != "" {
		asked.Header.Set("Authorization", "Bearer "+*token)
	}
	asked.Header.Set("Accept", "application/json")
	if !*plain {
		asked.Header.Set("Accept-Encoding", "gzip")
	}
	if r.kind != "" {
		asked.Header.Set("Content-Type", r.kind)
	}
	got, err := s.http.Do(asked)
	if err != nil {
		return nil, err
	}
	s.body = got.Body
	return &answer{got.StatusCode, &copied{got.Body, make([]byte, readSize)}}, nil
}

// copied gives a body as pieces, through a buffer of its own.
type copied struct {
	from   io.ReadCloser
	buffer []byte
}

func (c *copied) next() ([]byte, error) {
	count, err := c.from.Read(c.buffer)
	if count > 0 {
		return c.buffer[:count], nil
	}
	if err == io.EOF {
		c.from.Close()
	}
	return nil, err
}
