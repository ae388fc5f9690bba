// Package firefoxtest drives Debian's Firefox in tests, over WebDriver BiDi: the protocol that Firefox itself speaks at a
// WebSocket, and that needs no driver beside it. A browser has an empty profile and ends with its test.
//
// Mouse and keyboard are those of a visitor: what is covered, disabled or out of sight cannot be pressed.
package firefoxtest

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/berth-dev/berth/internal/testenv"
)

// patience bounds what must happen. Only failing tests wait that long.
const patience = time.Minute

// preferences keep the browser from asking anything of the network, or of its user.
const preferences = `user_pref("app.normandy.enabled", false);
user_pref("app.update.disabledForTesting", true);
user_pref("browser.aboutwelcome.enabled", false);
user_pref("browser.region.network.url", "");
user_pref("browser.safebrowsing.update.enabled", false);
user_pref("browser.shell.checkDefaultBrowser", false);
user_pref("captivedetect.canonicalURL", "");
user_pref("datareporting.policy.dataSubmissionEnabled", false);
user_pref("extensions.systemAddon.update.enabled", false);
user_pref("extensions.update.enabled", false);
user_pref("network.captive-portal-service.enabled", false);
user_pref("network.connectivity-service.enabled", false);
user_pref("network.dns.disablePrefetch", true);
user_pref("network.prefetch-next", false);
user_pref("services.settings.server", "data:,");
user_pref("signon.rememberSignons", false);
user_pref("toolkit.telemetry.enabled", false);
`

// Browser is a running Firefox with one tab.
type Browser struct {
	t    testing.TB
	link *websocket.Conn
	tab  string // the browsing context

	next    int
	answers chan answer

	lock   sync.Mutex
	faults []string
}

// answer is what Firefox says to a command.
type answer struct {
	ID      int             `json:"id"`
	Type    string          `json:"type"`
	Error   string          `json:"error"`
	Message string          `json:"message"`
	Result  json.RawMessage `json:"result"`
}

// Start starts a browser. It reports the test as not run where Firefox is not installed.
func Start(t testing.TB) *Browser {
	t.Helper()
	testenv.Slow(t, "it drives a browser")
	program := testenv.Program(t, "firefox-esr", "install firefox-esr, or run e2e/setup.sh")
	home := t.TempDir()
	profile := filepath.Join(home, "profile")
	if err := os.Mkdir(profile, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(profile, "user.js"), []byte(preferences), 0o600); err != nil {
		t.Fatal(err)
	}
	command := exec.CommandContext(t.Context(), program, "--headless", "--no-remote", "--profile", profile,
		"--remote-debugging-port", "0", "--width", "1280", "--height", "900", "about:blank")
	command.Env = append(os.Environ(), "HOME="+home, "MOZ_CRASHREPORTER_DISABLE=1")
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // its processes of pages end with it
	said, err := command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	address := make(chan string, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		defer close(address)
		listens := regexp.MustCompile(`WebDriver BiDi listening on (ws://\S+)`)
		for lines := bufio.NewScanner(said); lines.Scan(); {
			if found := listens.FindStringSubmatch(lines.Text()); found != nil {
				address <- found[1]
			}
		}
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL) // an empty profile has nothing to lose
		<-ended
		_ = command.Wait() // it was killed
	})
	var at string
	select {
	case at = <-address:
	case <-time.After(patience):
	}
	if at == "" {
		t.Fatal("Firefox does not say where it listens")
	}
	b := &Browser{t: t, answers: make(chan answer, 1)}
	b.connect(at + "/session")
	return b
}

// connect opens the session and finds the tab.
func (b *Browser) connect(address string) {
	b.t.Helper()
	link, response, err := websocket.DefaultDialer.DialContext(b.t.Context(), address, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	defer response.Body.Close()
	b.link = link
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		b.read()
	}()
	b.t.Cleanup(func() {
		_ = link.Close() // the browser is ended next
		<-ended
	})
	b.must("session.new", map[string]any{"capabilities": map[string]any{}}, nil)
	var tree struct {
		Contexts []struct {
			Context string `json:"context"`
		} `json:"contexts"`
	}
	b.must("browsingContext.getTree", map[string]any{}, &tree)
	b.tab = tree.Contexts[0].Context
	b.must("session.subscribe", map[string]any{"events": []string{"log.entryAdded"}}, nil)
	b.must("script.addPreloadScript", map[string]any{"functionDeclaration": `() => {
		document.addEventListener("securitypolicyviolation", (e) => console.error("policy: " + e.violatedDirective + " " + e.blockedURI));
		addEventListener("unhandledrejection", (e) => console.error("rejection: " + e.reason));
	}`}, nil)
}

// read takes what Firefox says until the connection ends.
func (b *Browser) read() {
	defer close(b.answers)
	for {
		var said struct {
			answer
			Method string `json:"method"`
			Params struct {
				Level string `json:"level"`
				Text  string `json:"text"`
			} `json:"params"`
		}
		if err := b.link.ReadJSON(&said); err != nil {
			return // closed
		}
		switch {
		case said.Type != "event":
			b.answers <- said.answer
		case said.Params.Level == "error":
			b.lock.Lock()
			b.faults = append(b.faults, said.Params.Text)
			b.lock.Unlock()
		}
	}
}

// Faults are the errors that pages have thrown or written to the console, and what their policy has refused, since the last
// call.
func (b *Browser) Faults() []string {
	b.lock.Lock()
	defer b.lock.Unlock()
	faults := b.faults
	b.faults = nil
	return faults
}

func (b *Browser) command(method string, parameters map[string]any, result any) error {
	b.next++
	message := map[string]any{"id": b.next, "method": method, "params": parameters}
	if err := b.link.WriteJSON(message); err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	select {
	case said, open := <-b.answers:
		switch {
		case !open:
			return fmt.Errorf("%s: Firefox has ended", method)
		case said.Type == "error":
			return fmt.Errorf("%s: %s: %s", method, said.Error, said.Message)
		case result == nil:
			return nil
		}
		return json.Unmarshal(said.Result, result)
	case <-time.After(patience):
		return fmt.Errorf("%s: no answer within %s", method, patience)
	}
}

func (b *Browser) must(method string, parameters map[string]any, result any) {
	b.t.Helper()
	if err := b.command(method, parameters, result); err != nil {
		b.t.Fatal(err)
	}
}

// Open goes to an address and waits until its page is loaded.
func (b *Browser) Open(address string) {
	b.t.Helper()
	b.must("browsingContext.navigate", map[string]any{"context": b.tab, "url": address, "wait": "complete"}, nil)
}

// Reload loads the page again.
func (b *Browser) Reload() {
	b.t.Helper()
	b.must("browsingContext.reload", map[string]any{"context": b.tab, "wait": "complete"}, nil)
}

// call calls a JavaScript function with arguments that can be written as JSON.
func (b *Browser) call(function string, arguments []any, result any) error {
	list := []map[string]any{}
	for _, one := range arguments {
		text, err := json.Marshal(one)
		if err != nil {
			return err
		}
		list = append(list, map[string]any{"type": "string", "value": string(text)})
	}
	var said struct {
		Type             string          `json:"type"`
		Result           json.RawMessage `json:"result"`
		ExceptionDetails struct {
			Text string `json:"text"`
		} `json:"exceptionDetails"`
	}
	err := b.command("script.callFunction", map[string]any{
		"functionDeclaration": "(...texts) => (" + function + ")(...texts.map((one) => JSON.parse(one)))",
		"awaitPromise":        true, "target": map[string]any{"context": b.tab}, "arguments": list,
	}, &said)
	switch {
	case err != nil:
		return err
	case said.Type == "exception":
		return fmt.Errorf("the page threw %s", said.ExceptionDetails.Text)
	}
	return json.Unmarshal(said.Result, result)
}

// eventually asks until there is an answer. A navigation ends the function that runs on the page that it leaves.
func (b *Browser) eventually(what, function string, arguments []any, done func() bool, result any) {
	b.t.Helper()
	deadline := time.After(patience)
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		err := b.call(function, arguments, result)
		if err == nil && done() {
			return
		}
		select {
		case <-deadline:
			b.t.Fatalf("%s: not within %s (%v)\n%s", what, patience, err, b.Text())
		case <-again.C:
		}
	}
}

// Until waits until a function of the page returns true.
func (b *Browser) Until(what, function string, arguments ...any) {
	b.t.Helper()
	var holds struct {
		Value any `json:"value"`
	}
	b.eventually(what, function, arguments, func() bool { return holds.Value == true }, &holds)
}

// Text is the text of the page, and where it is.
func (b *Browser) Text() string {
	var text struct {
		Value string `json:"value"`
	}
	if err := b.call(`() => location.href + "\n" + document.body.innerText`, nil, &text); err != nil {
		return err.Error()
	}
	return text.Value
}

// Shows waits until a visible element contains a text.
func (b *Browser) Shows(selector, text string) {
	b.t.Helper()
	b.Until(selector+" shows "+text, `(selector, text) => [...document.querySelectorAll(selector)].some(
		(one) => one.checkVisibility() && one.textContent.includes(text))`, selector, text)
}

// Hides waits until no visible element contains a text.
func (b *Browser) Hides(selector, text string) {
	b.t.Helper()
	b.Until(selector+" hides "+text, `(selector, text) => ![...document.querySelectorAll(selector)].some(
		(one) => one.checkVisibility() && one.textContent.includes(text))`, selector, text)
}

// Press moves the mouse to the first visible element and clicks. It waits until nothing covers the element, and it is enabled.
func (b *Browser) Press(selector string) {
	b.t.Helper()
	var at struct {
		Value []struct {
			Value float64 `json:"value"`
		} `json:"value"`
	}
	b.eventually("press "+selector, `(selector) => {
		const one = [...document.querySelectorAll(selector)].find((one) => one.checkVisibility() && !one.disabled);
		one?.scrollIntoView({block: "center", inline: "nearest", behavior: "instant"});
		const box = one?.getClientRects()[0];
		if (!box) return null;
		const [x, y] = [Math.floor(box.left + box.width / 2), Math.floor(box.top + box.height / 2)];
		const hit = document.elementFromPoint(x, y);
		return one.contains(hit) ? [x, y] : null;
	}`, []any{selector}, func() bool { return len(at.Value) == 2 }, &at)
	const left = 0
	b.actions(map[string]any{"type": "pointer", "id": "mouse", "actions": []map[string]any{
		{"type": "pointerMove", "x": at.Value[0].Value, "y": at.Value[1].Value},
		{"type": "pointerDown", "button": left}, {"type": "pointerUp", "button": left},
	}})
}

// The keys that are no letters.
const (
	Enter  = "\uE007"
	Escape = "\uE00C"
	Delete = "\uE017"
)

// Type presses one key after another, at what has the focus.
func (b *Browser) Type(text string) {
	b.t.Helper()
	var keys []map[string]any
	for _, key := range strings.Split(text, "") {
		keys = append(keys, map[string]any{"type": "keyDown", "value": key}, map[string]any{"type": "keyUp", "value": key})
	}
	b.actions(map[string]any{"type": "key", "id": "keyboard", "actions": keys})
}

func (b *Browser) actions(source map[string]any) {
	b.t.Helper()
	b.must("input.performActions", map[string]any{"context": b.tab, "actions": []any{source}}, nil)
}
