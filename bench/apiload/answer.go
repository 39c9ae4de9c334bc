package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// head reads the head of an answer; informational ones before it are passed over.
func (c *connection) head() error {
	for {
		status, err := statusOf(c.in)
		if err != nil {
			return err
		}
		c.body = body{in: c.in, left: unknown}
		if err := c.headers(); err != nil {
			return err
		}
		if status >= 200 {
			return c.begin(status)
		}
	}
}

// begin makes the answer ready, whose framing is known by now.
func (c *connection) begin(status int) error {
	if status == 204 || status == 304 {
		c.body.left, c.body.chunked = 0, false
	}
	if c.body.left == unknown {
		return fmt.Errorf("an answer of status %d does not say how long it is", status)
	}
	c.answer = answer{status, &c.body}
	return nil
}

func statusOf(in *bufio.Reader) (int, error) {
	line, err := line(in)
	if err != nil {
		return 0, err
	}
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, fmt.Errorf("not an answer: %.80q", line)
	}
	return strconv.Atoi(string(line[9:12]))
}

func (c *connection) headers() error {
	for {
		line, err := line(c.in)
		if err != nil || len(line) == 0 {
			return err
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		if err := c.header(name, bytes.TrimSpace(value)); err != nil {
			return err
		}
	}
}

// header takes note of what says where the answer ends, and whether another may follow.
func (c *connection) header(name, value []byte) (err error) {
	switch {
	case bytes.EqualFold(name, []byte("Content-Length")):
		c.body.left, err = strconv.ParseInt(string(value), 10, 64)
	case bytes.EqualFold(name, []byte("Transfer-Encoding")):
		c.body.chunked, c.body.left = true, 0
	case bytes.EqualFold(name, []byte("Connection")) && bytes.EqualFold(value, []byte("close")):
		c.body.last = c
	}
	return err
}

// line is the next line without its end, good until the next read.
func line(in *bufio.Reader) ([]byte, error) {
	line, err := in.ReadSlice('\n')
	return bytes.TrimRight(line, "\r\n"), err
}

const unknown = -1

// A body is what follows a head, as pieces of the connection's buffer.
type body struct {
	in      *bufio.Reader
	left    int64 // bytes of the body, of a chunked one those of the chunk, that are to come
	chunked bool
	begun   bool        // whether a chunk has been read
	last    *connection // that ends with this body, if it does
}

func (b *body) next() ([]byte, error) {
	if b.left == 0 {
		if err := b.chunk(); err != nil {
			return nil, b.over(err)
		}
	}
	if _, err := b.in.Peek(1); err != nil {
		return nil, cut(err)
	}
	piece, _ := b.in.Peek(int(min(b.left, int64(b.in.Buffered()))))
	b.in.Discard(len(piece))
	b.left -= int64(len(piece))
	return piece, nil
}

// chunk begins the next chunk; io.EOF when there is none, nor any trailer left.
func (b *body) chunk() error {
	if !b.chunked {
		return io.EOF
	}
	if b.begun {
		if _, err := line(b.in); err != nil {
			return cut(err)
		}
	}
	size, err := line(b.in)
	if err != nil {
		return cut(err)
	}
	digits, _, _ := strings.Cut(string(size), ";")
	b.begun = true
	if b.left, err = strconv.ParseInt(digits, 16, 64); err != nil || b.left > 0 {
		return err
	}
	return b.trailers()
}

func (b *body) trailers() error {
	for {
		line, err := line(b.in)
		if err != nil {
			return cut(err)
		}
		if len(line) == 0 {
			b.chunked = false
			return io.EOF
		}
	}
}

// over passes the end on, and closes the connection where the server is about to.
func (b *body) over(err error) error {
	if err == io.EOF && b.last != nil {
		b.last.close()
	}
	return err
}

// cut is the error of a connection that ends within a body.
func cut(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
