package main

import (
	"bufio"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

var answers = []struct {
	name, sent   string
	status       int
	size         int64
	begin, fault string
}{
	{"a length", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", 200, 5, "", ""},
	{"no body", "HTTP/1.1 204 No Content\r\n\r\n", 204, 0, "", ""},
	{"a success is not kept, an error is", "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone", 404, 4, "gone", ""},
	{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n", 200, 13, "", ""},
	{"trailers", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Sum: 1\r\n\r\n", 200, 1, "", ""},
	{"after information", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx", 201, 1, "", ""},
	{"cut short", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhell", 200, 4, "", "unexpected EOF"},
	{"cut within chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n", 200, 3, "", "unexpected EOF"},
	{"no HTTP", "SSH-2.0-OpenSSH_9.2\r\n", 0, 0, "", `not an answer: "SSH-2.0-OpenSSH_9.2"`},
	{"no end", "HTTP/1.1 200 OK\r\n\r\nhello", 0, 0, "", "an answer of status 200 does not say how long it is"},
	{"nothing", "", 0, 0, "", "EOF"},
}

// Answers are the same whether they come at once or a byte at a time.
func TestAnswers(t *testing.T) {
	for _, one := range answers {
		for _, from := range []io.Reader{strings.NewReader(one.sent), iotest.OneByteReader(strings.NewReader(one.sent))} {
			status, size, begin, fault := read(from)
			if status != one.status || size != one.size || begin != one.begin || fault != one.fault {
				t.Errorf("%s: %d, %d bytes, %q, %q", one.name, status, size, begin, fault)
			}
		}
	}
}

func read(from io.Reader) (int, int64, string, string) {
	c := connection{in: bufio.NewReader(from)}
	if err := c.head(); err != nil {
		return 0, 0, "", err.Error()
	}
	size, begin, err := c.answer.rest()
	if err != nil {
		return c.answer.status, size, string(begin), err.Error()
	}
	return c.answer.status, size, string(begin), ""
}

// What follows an answer is left to the next.
func TestAnswersFollowEachOther(t *testing.T) {
	two := "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nbc"
	c := connection{in: bufio.NewReader(strings.NewReader(two))}
	for _, want := range []answer{{status: 200}, {status: 201}} {
		if err := c.head(); err != nil || c.answer.status != want.status {
			t.Fatal(c.answer.status, err)
		}
		if size, _, err := c.answer.rest(); err != nil || size != int64(want.status-199) {
			t.Fatal(size, err)
		}
	}
}
