package function_test

import "testing"

func TestURLs(t *testing.T) {
	w := world{variables: object{"long": object{"path": "x"}, "url": "https://ada:s%40t@db.example.com:8443/a/b?q=1&r=2#top"}}
	w.run(t, []evaluation{
		{name: "urlParse has the parts of a URL", source: `{{ urlParse .url }}`, want: object{
			"scheme": "https", "host": "db.example.com:8443", "hostname": "db.example.com", "path": "/a/b", "query": "q=1&r=2",
			"opaque": "", "fragment": "top", "userinfo": "ada:s%40t",
		}},
		{name: "urlParse of an opaque URL", source: `{{ (urlParse "mailto:a@b").opaque }}`, want: "a@b"},
		{name: "urlParse of what is no URL", source: `{{ urlParse "http://a b" }}`, err: `urlParse: "http://a b" is not a URL`},
		{name: "urlParse of a text that is too long", source: `{{ urlParse (repeat 70000 "a") }}`, err: "urlParse: a URL must not be longer than 65536 bytes"},
		{name: "urlJoin gives the URL back", source: `{{ eq .url (urlParse .url | urlJoin) }}`, want: true},
		{name: "urlJoin of some parts", source: `{{ urlJoin (dict "scheme" "http" "host" "h:80" "path" "/p") }}`, want: "http://h:80/p"},
		{name: "urlJoin of a part that is no text", source: `{{ urlJoin (dict "host" 5) }}`, err: "urlJoin: host must be a string"},
		{name: "urlJoin of a list", source: `{{ urlJoin (list "a") }}`, err: "urlJoin: argument 1 must be an object, not a list"},
	})
}

func TestVersionsAreTakenApart(t *testing.T) {
	world{}.run(t, []evaluation{
		{name: "semver has the parts of a version", source: `{{ semver "v1.2.3-rc.1+b7" }}`, want: object{
			"Major": int64(1), "Minor": int64(2), "Patch": int64(3), "Prerelease": "rc.1", "Metadata": "b7", "Original": "v1.2.3-rc.1+b7",
		}},
		{name: "in an expression", source: `{{ (semver "1.2").Minor }}`, want: int64(2)},
		{name: "semver of what is none", source: `{{ semver "one" }}`, err: "semver: "},
		{name: "semver of a number too large", source: `{{ semver "18446744073709551615.0.0" }}`, err: "semver: the result is out of range"},
		{name: "semver of a text that is too long", source: `{{ semver (repeat 300 "1") }}`, err: "semver: a version must not be longer than 256 characters"},
	})
}

func TestDaysInATimeZone(t *testing.T) {
	world{}.run(t, []evaluation{
		{name: "dateInZone is the day that people there have", source: `{{ dateInZone "2006-01-02 15:04 MST" "2026-06-30T22:30:00Z" "Europe/Berlin" }}`, want: "2026-07-01 00:30 CEST"},
		{name: "date_in_zone is another name", source: `{{ date_in_zone "2006-01-02" "2026-06-30T22:30:00Z" "UTC" }}`, want: "2026-06-30"},
		{name: "htmlDateInZone", source: `{{ htmlDateInZone "2026-06-30T22:30:00Z" "Asia/Tokyo" }}`, want: "2026-07-01"},
		{name: "a zone that does not exist", source: `{{ dateInZone "2006" now "Europe/Nowhere" }}`, err: `dateInZone: "Europe/Nowhere" is not an IANA time zone`},
		{name: "the zone of the machine", source: `{{ htmlDateInZone now "Local" }}`, err: `htmlDateInZone: "Local" is not an IANA time zone`},
		{name: "a zone by a path", source: `{{ htmlDateInZone now "../../etc/passwd" }}`, err: "is not an IANA time zone"},
	})
}

func TestATextAsATemplate(t *testing.T) {
	w := world{variables: object{"who": "ada", "greeting": "hello {{ .who }}", "itself": `{{ tpl .itself . }}`, "changes": `{{ $x := set . "who" "eve" }}{{ .who }}`}}
	w.run(t, []evaluation{
		{name: "tpl fills in a value", source: `{{ tpl .greeting . }}`, want: "hello ada"},
		{name: "tpl sees only its data", source: `{{ tpl "{{ .a }}{{ .who }}" (dict "a" "b") }}`, want: "b"},
		{name: "tpl with templates of its own", source: `{{ tpl "{{ define \"t\" }}<{{ . }}>{{ end }}{{ include \"t\" .who }}" . }}`, want: "<ada>"},
		{name: "tpl does not change the values of others", source: `{{ printf "%s %s" (tpl .changes .) .who }}`, want: "eve ada"},
		{name: "tpl of what does not parse", source: `{{ tpl "{{ if }}" . }}`, err: "tpl: "},
		{name: "tpl of a function that is not there", source: `{{ tpl "{{ env \"HOME\" }}" . }}`, err: "tpl: "},
		{name: "tpl without a worker's environment", source: `{{ tpl "{{ $HOME }}" . }}`, err: "tpl: "},
		{name: "tpl of a list", source: `{{ tpl (list) . }}`, err: "tpl: argument 1 must be a string, not a list"},
	})
	for name, source := range map[string]string{
		"in itself":          `{{ tpl .itself . }}`,
		"a text that grows":  `{{ $t := "x" }}{{ range 40 }}{{ $t = printf "%s%s" $t $t }}{{ end }}{{ tpl $t . }}`,
		"an endless loop":    `{{ tpl "{{ range 1000000000 }}{{ end }}" . }}`,
		"over and over":      `{{ range 1000000000 }}{{ tpl "x" $ }}{{ end }}`,
		"more than is taken": `{{ tpl (repeat 70000 "a") . }}`,
	} {
		if _, err := w.text(t, source); limitOf(err) == "" {
			t.Errorf("%s: got %v, want a limit", name, err)
		}
	}
}
