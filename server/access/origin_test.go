package access

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/berth-dev/berth/server/problem"
)

func TestGuard(t *testing.T) {
	type headers map[string]string
	tests := []struct {
		name    string
		method  string
		host    string
		headers headers
		page    bool
		want    problem.Code
	}{
		{name: "command line, which sends no origin", method: "POST", host: "127.0.0.1:4200"},
		{name: "localhost by name", method: "GET", host: "localhost:4200"},
		{name: "localhost in upper case", method: "GET", host: "LOCALHOST:4200"},
		{name: "IPv6 loopback", method: "GET", host: "[::1]:4200"},
		{name: "allowed host", method: "POST", host: "berth.example.com"},
		{name: "address that the client connected to", method: "GET", host: "10.1.2.3:4200"},
		{name: "other address", method: "GET", host: "10.9.9.9:4200", want: problem.HostRefused},
		{name: "rebound host name", method: "GET", host: "evil.example:4200", want: problem.HostRefused},
		{name: "rebound host name with its own origin", method: "POST", host: "evil.example:4200",
			headers: headers{"Origin": "http://evil.example:4200", "Sec-Fetch-Site": "same-origin"},
			want:    problem.HostRefused},
		{
			name: "host name that starts with localhost", method: "GET", host: "localhost.evil.example",
			want: problem.HostRefused,
		},
		{name: "no host", method: "GET", host: "", want: problem.HostRefused},
		{name: "page of the UI", method: "POST", host: "127.0.0.1:4200",
			headers: headers{"Origin": "http://127.0.0.1:4200", "Sec-Fetch-Site": "same-origin"}},
		{name: "POST from a foreign page", method: "POST", host: "127.0.0.1:4200",
			headers: headers{"Origin": "https://evil.example"}, want: problem.OriginRefused},
		{name: "GET from a foreign page", method: "GET", host: "127.0.0.1:4200",
			headers: headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"},
			want:    problem.OriginRefused},
		{name: "page on another port of this machine", method: "POST", host: "localhost:4200",
			headers: headers{"Origin": "http://localhost:3000", "Sec-Fetch-Site": "same-site"},
			want:    problem.OriginRefused},
		{name: "page on another name of this machine", method: "POST", host: "127.0.0.1:4200",
			headers: headers{"Origin": "http://localhost:4200"}, want: problem.OriginRefused},
		{
			name: "sandboxed page", method: "POST", host: "localhost:4200",
			headers: headers{"Origin": "null"}, want: problem.OriginRefused,
		},
		{
			name: "page from a file", method: "POST", host: "localhost:4200",
			headers: headers{"Origin": "file://"}, want: problem.OriginRefused,
		},
		{name: "link to the UI", method: "GET", host: "localhost:4200", page: true,
			headers: headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}},
		{name: "link to the API", method: "GET", host: "localhost:4200",
			headers: headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
			want:    problem.OriginRefused},
		{name: "form posted to the UI", method: "POST", host: "localhost:4200", page: true,
			headers: headers{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"},
			want:    problem.OriginRefused},
		{name: "address bar", method: "GET", host: "localhost:4200", page: true,
			headers: headers{"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}},
	}
	guard := NewOriginGuard([]string{"Berth.example.com"})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, "http://x/", nil)
			r.Host = test.host
			for name, value := range test.headers {
				r.Header.Set(name, value)
			}
			connected := &net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 4200}
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, connected))
			var got problem.Code
			var refusal *problem.Error
			if err := guard.Check(r, test.page); errors.As(err, &refusal) {
				got = refusal.Code
			}
			if got != test.want {
				t.Errorf("refused with %q, want %q", got, test.want)
			}
		})
	}
}
