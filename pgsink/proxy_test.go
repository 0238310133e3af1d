package pgsink

import (
	"net/url"
	"testing"

	"headcount/pglocal/pgproxy"
)

// newProxy returns a proxy, and the URL that leads through it to the database.
func newProxy(t *testing.T, database string) (p *pgproxy.Proxy, through string) {
	t.Helper()
	u := mustParseURL(t, database)
	p = mustListen(t, "127.0.0.1:0", u.Host)
	u.Host = p.Address()
	return p, u.String()
}

func mustListen(t *testing.T, address, target string) *pgproxy.Proxy {
	t.Helper()
	p, err := pgproxy.Listen(address, target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p
}

func mustParseURL(t *testing.T, text string) *url.URL {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
