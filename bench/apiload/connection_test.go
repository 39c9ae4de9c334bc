package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
)

// echo answers with what was asked, every second time as the last answer of its connection.
func echo() http.Handler {
	count := 0
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if count++; count%2 == 0 {
			w.Header().Set("Connection", "close")
		}
		body, _ := io.ReadAll(r.Body)
		w.WriteHeader(299 + len(body))
		io.WriteString(w, r.Method+r.URL.String()+r.Header.Get("Content-Type")+string(body))
	})
}

// A connection that the server closes is made anew, and requests arrive as they were meant.
func TestConnection(t *testing.T) {
	listening := httptest.NewTLSServer(echo())
	defer listening.Close()
	*server = listening.URL
	connect, err := clients()
	if err != nil {
		t.Fatal(err)
	}
	c := connect()
	defer c.close()
	for i := range 6 {
		target := "/a?b=" + strconv.Itoa(i)
		status, _, begin, err := do(c, post(target, "{}"))
		if err != nil || status != 301 || string(begin) != "POST"+target+"application/json{}" {
			t.Fatal(i, status, string(begin), err)
		}
	}
}

// A GET that finds its connection closed is asked once more.
func TestReconnect(t *testing.T) {
	listening := httptest.NewTLSServer(echo())
	defer listening.Close()
	*server = listening.URL
	connect, _ := clients()
	c := connect()
	defer c.close()
	for range 3 {
		if status, _, _, err := do(c, get("/")); err != nil || status != 299 {
			t.Fatal(status, err)
		}
		listening.CloseClientConnections()
	}
}
