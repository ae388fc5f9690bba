package outbound

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func TestOnlyAddressesOfThePublicInternetArePublic(t *testing.T) {
	for text, want := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "2606:4700::1111": true, "172.32.0.1": true, "100.128.0.1": true,
		"127.0.0.1": false, "127.9.9.9": false, "::1": false, "0.0.0.0": false, "::": false, "0.1.2.3": false,
		"10.0.0.1": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.1.1": false,
		"169.254.169.254": false, "fe80::1": false, "fd00:ec2::254": false, "fc00::1": false,
		"100.64.0.1": false, "100.127.255.255": false, // CGNAT
		"224.0.0.1": false, "ff02::1": false, "255.255.255.255": false, "240.0.0.1": false,
		"198.18.0.1": false, "192.0.0.1": false, "192.0.2.1": false, "203.0.113.1": false,
		"64:ff9b::7f00:1": false, "64:ff9b::808:808": false, "64:ff9b:1::7f00:1": false, // NAT64
		"2002:7f00:1::": false, "2001:0:7f00:1::": false, "2001:db8::1": false, "fec0::1": false,
		"::7f00:1": false, // IPv4-compatible
	} {
		if got := isPublic(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is public: %v, want %v", text, got, want)
		}
	}
}

func TestAPolicyAllowsWhatItSaysAndNoMore(t *testing.T) {
	type call struct {
		host    string
		port    uint16
		address string
	}
	for name, test := range map[string]struct {
		policy  []string
		allowed []call
		refused []call
	}{
		"nothing": {nil, nil, []call{{"a.example", 443, "8.8.8.8"}}},
		"a host": {
			[]string{"Hooks.Slack.com"},
			[]call{{"hooks.slack.com", 443, "8.8.8.8"}, {"hooks.slack.com.", 8443, "2606:4700::1"}},
			[]call{
				{"evil.example", 443, "8.8.8.8"}, {"x.hooks.slack.com", 443, "8.8.8.8"}, {"hooks.slack.com", 443, "127.0.0.1"},
				{"hooks.slack.com", 443, "::ffff:127.0.0.1"}, {"hooks.slack.com", 443, "::ffff:10.0.0.1"},
				{"hooks.slack.com", 443, "64:ff9b::a00:1"}, {"hooks.slack.com", 443, "169.254.169.254"},
				{"hooks.slack.com", 443, "fe80::1%eth0"},
			},
		},
		"a host and its port": {
			[]string{"a.example:8443"}, []call{{"a.example", 8443, "8.8.8.8"}}, []call{{"a.example", 443, "8.8.8.8"}},
		},
		"the hosts of a domain": {
			[]string{"*.example.com"},
			[]call{{"a.example.com", 443, "8.8.8.8"}, {"a.b.example.com", 443, "8.8.8.8"}},
			[]call{
				{"example.com", 443, "8.8.8.8"}, {"aexample.com", 443, "8.8.8.8"}, {"example.com.evil.net", 443, "8.8.8.8"},
			},
		},
		"every host": {
			[]string{"*"}, []call{{"a.example", 1, "8.8.8.8"}}, []call{{"a.example", 443, "10.0.0.1"}},
		},
		"addresses": {
			[]string{"10.1.0.0/16", "fd00::/8"},
			[]call{
				{"a.internal", 443, "10.1.2.3"}, {"10.1.2.3", 443, "10.1.2.3"}, {"a", 443, "::ffff:10.1.2.3"},
				{"a", 443, "fd12::1"},
			},
			[]call{{"a.internal", 443, "10.2.0.1"}, {"a.internal", 443, "8.8.8.8"}, {"a", 443, "64:ff9b::a01:203"}},
		},
		"addresses of a host": {
			[]string{"a.internal:9093=10.0.0.0/8"},
			[]call{{"a.internal", 9093, "10.1.2.3"}},
			[]call{{"b.internal", 9093, "10.1.2.3"}, {"a.internal", 443, "10.1.2.3"}, {"a.internal", 9093, "8.8.8.8"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := ParsePolicy(test.policy)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range test.allowed {
				if err := p.checkAddress(target{host: strings.TrimSuffix(c.host, "."), port: c.port}, netip.MustParseAddr(c.address)); err != nil {
					t.Errorf("%v: %v", c, err)
				}
			}
			for _, c := range test.refused {
				if p.checkAddress(target{host: strings.TrimSuffix(c.host, "."), port: c.port}, netip.MustParseAddr(c.address)) == nil {
					t.Errorf("%v is allowed", c)
				}
			}
		})
	}
}

func TestURLsAreCheckedBeforeTheyAreCalled(t *testing.T) {
	p, err := ParsePolicy([]string{"a.example", "http://plain.example", "http://127.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{
		"https://a.example/x": true, "https://A.example:444/x": true, "http://plain.example": true,
		"https://plain.example": true, "http://127.0.0.1:80": true, "https://x.example": true, // known when it is called
		"http://a.example": true, // as any name, it may have an allowed address
		"https://10.0.0.1": false, "http://10.0.0.1": false, "http://[::1]": false, "https://[::ffff:10.0.0.1]": false,
		"ftp://a.example": false, "file:///etc/passwd": false, "https://8.8.8.8": false,
	} {
		parsed, err := url.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := p.Check(parsed) == nil; got != want {
			t.Errorf("%s is allowed: %v, want %v (%v)", text, got, want, p.Check(parsed))
		}
	}
}

func TestEntriesThatCannotBeReadAreRefused(t *testing.T) {
	for _, text := range []string{
		"", "https://a.example", "a.example/path", "a.example:0", "a.example:x", "=10.0.0.0/8", "10.0.0.0/33", "a b", "*.",
		"**", "a.*", "a.example=10.0.0.1", "user@a.example",
	} {
		if _, err := ParsePolicy([]string{text}); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}
