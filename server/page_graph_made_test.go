package server_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/berth-dev/berth/internal/testenv"
)

// madeNode, madeMap and the like are what server/ui/web/pipeline.ts documents.
type madeNode struct {
	ID       string      `json:"id"`
	Group    string      `json:"group,omitempty"`
	Needs    []string    `json:"needs,omitempty"`
	State    string      `json:"state"`
	Started  *time.Time  `json:"started,omitempty"`
	Ended    *time.Time  `json:"ended,omitempty"`
	Phases   []madePhase `json:"phases,omitempty"`
	Critical bool        `json:"critical,omitempty"`
	Note     string      `json:"note,omitempty"`
	Map      *madeMap    `json:"map,omitempty"`
}

type madePhase struct {
	Kind string     `json:"kind"`
	From time.Time  `json:"from"`
	To   *time.Time `json:"to,omitempty"`
}

type madeMap struct {
	Total  int            `json:"total"`
	Counts map[string]int `json:"counts"`
	Items  string         `json:"items,omitempty"`
	Bands  []madeBand     `json:"bands,omitempty"`
}

type madeBand struct {
	From   time.Time `json:"from"`
	To     time.Time `json:"to"`
	Active int       `json:"active"`
	Failed int       `json:"failed,omitempty"`
}

type madeItem struct {
	Key     string     `json:"key"`
	State   string     `json:"state"`
	Started *time.Time `json:"started,omitempty"`
	Ended   *time.Time `json:"ended,omitempty"`
	Note    string     `json:"note,omitempty"`
}

const night = 9 * time.Hour

// begun is when made pipeline runs began: what is active has run for five minutes, after a night without runs.
var begun = time.Now().UTC().Truncate(time.Second).Add(-night - 5*time.Minute)

func after(seconds float64) *time.Time {
	at := begun.Add(time.Duration(seconds * float64(time.Second)))
	return &at
}

// layered has layers of nodes, each of which needs three of the layer before. One has failed.
func layered(layers, width int) []madeNode {
	nodes := make([]madeNode, 0, layers*width)
	for layer := range layers {
		for i := range width {
			n := madeNode{ID: fmt.Sprintf("node-%02d-%03d", layer, i), State: "waiting"}
			if layer < layers/2 {
				n.State = "succeeded"
				n.Started = after(float64(60*layer) + float64(i%40))
				n.Ended = after(float64(60*layer) + float64(i%40) + 15)
			}
			if layer > 0 {
				for k := range 3 {
					n.Needs = append(n.Needs, fmt.Sprintf("node-%02d-%03d", layer-1, (i*7+k*13)%width))
				}
			}
			nodes = append(nodes, n)
		}
	}
	nodes[len(nodes)/2-width/2].State = "failed"
	return nodes
}

const madeItems = 10_000

// sales is the pipeline run of UI.md: a map of 10,000 items between small nodes, with groups, and a night between two days.
func sales() []madeNode {
	node := func(id, group, state string, from, to float64, needs ...string) madeNode {
		n := madeNode{ID: id, Group: group, State: state, Needs: needs}
		if to > 0 {
			n.Started, n.Ended = after(from), after(to)
		}
		return n
	}
	night := night.Seconds()
	nodes := []madeNode{
		node("extract", "", "succeeded", 4, 95),
		node("shops", "", "succeeded", 97, 110, "extract"),
		node("load", "", "active", 0, 0, "shops"),
		node("rates", "reference data", "succeeded", 5, 40),
		node("holidays", "reference data", "succeeded", 5, 6),
		node("regions", "reference data", "succeeded", 8, 21, "holidays"),
		node("check", "", "failed", 120, 124, "extract", "regions"),
		node("orders", "warehouse", "succeeded", night, night+240, "shops", "rates"),
		node("customers", "warehouse", "active", 0, 0, "shops"),
		node("products", "warehouse", "held", 0, 0, "shops", "regions"),
		node("facts", "warehouse", "waiting", 0, 0, "orders", "customers", "products"),
		node("repair", "", "skipped", 0, 0, "check"),
		node("sign-off", "", "waiting", 0, 0, "load", "facts"),
		node("publish", "", "waiting", 0, 0, "sign-off", "repair"),
		node("dashboards", "publishing", "waiting", 0, 0, "publish"),
		node("mail", "publishing", "blocked", 0, 0, "check"),
		node("archive", "publishing", "cancelled", 0, 0, "publish"),
	}
	nodes[0].Critical, nodes[1].Critical, nodes[2].Critical, nodes[12].Critical, nodes[13].Critical = true, true, true, true, true
	nodes[0].Phases = []madePhase{{"queued", *after(0), after(2)}, {"starting", *after(2), after(4)}, {"running", *after(4), after(95)}}
	nodes[6].Note, nodes[15].Note = `exit code 1 "duplicate key <b>"`, "check failed"
	nodes[2].Started, nodes[8].Started = after(112), after(night)
	bands := []madeBand{}
	for i := range 60 {
		bands = append(bands, madeBand{*after(112 + float64(20*i)), *after(132 + float64(20*i)), min(50, 10+4*i), i % 20 / 19})
	}
	bands = append(bands, madeBand{*after(night), *after(night + 250), 50, 0})
	nodes[2].Map = &madeMap{madeItems, map[string]int{"succeeded": 6397, "failed": 3, "active": 50, "waiting": 3550}, "items", bands}
	return nodes
}

// itemsOf answers with a page of items of the map.
func itemsOf(w http.ResponseWriter, r *http.Request) {
	const page = 200
	offset, _ := strconv.Atoi(r.URL.Query().Get("offset"))
	if n, err := strconv.Atoi(strings.TrimPrefix(r.URL.Query().Get("key"), "berlin-")); err == nil {
		offset = n / page * page
	}
	answer := struct {
		Offset int        `json:"offset"`
		Total  int        `json:"total"`
		Items  []madeItem `json:"items"`
	}{Offset: offset, Total: madeItems}
	for i := offset; i < min(offset+page, madeItems); i++ {
		item := madeItem{Key: fmt.Sprintf("berlin-%d", i), State: "succeeded", Started: after(112 + float64(i%1200)), Ended: after(114 + float64(i%1200))}
		if i == 17 {
			item.State, item.Note = "failed", `exit code 1 "duplicate key"`
		}
		answer.Items = append(answer.Items, item)
	}
	answerJSON(w, answer)
}

func answerJSON(w http.ResponseWriter, value any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value) // the browser has disconnected
}

// madePages serves pages with a made graph in the layout of a server's pages, under their policy, and all else from the server:
// /made/graph and /made/gantt, each with ?of=layered (10,000 nodes) or ?of=sales.
func madePages(t testing.TB, server, key string) string {
	t.Helper()
	manifest, err := os.ReadFile("ui/dist/manifest.json")
	if err != nil {
		testenv.Missing(t, "the scripts of the page are not built: run make page")
	}
	scripts := map[string]string{}
	if err := json.Unmarshal(manifest, &scripts); err != nil {
		t.Fatal(err)
	}
	request := expect(http.NewRequestWithContext(t.Context(), http.MethodGet, server+"/about", nil))(t)
	request.Header.Set("Accept", "text/html")
	if key != "" {
		request.Header.Set("Authorization", "Bearer "+key)
	}
	frame := expect(http.DefaultClient.Do(request))(t)
	defer frame.Body.Close()
	layout := string(expect(io.ReadAll(frame.Body))(t))
	graphs := map[string][]madeNode{"layered": layered(20, 500), "sales": sales()}
	main := regexp.MustCompile(`(?s)(<main[^>]*>).*(</main>)`)
	show := func(element string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			of := r.URL.Query().Get("of")
			made := fmt.Sprintf(`<div class="heading"><h1>%[2]s</h1></div><p class="chips"><a data-view href="./graph?of=%[2]s">Graph</a><a data-view href="./gantt?of=%[2]s">Gantt</a></p>`+
				`<berth-%[1]s id="%[1]s" data-src="./%[2]s.json" data-keep></berth-%[1]s>`, element, of)
			page := main.ReplaceAllString(strings.ReplaceAll(layout, `"./`, `"../`), "${1}"+made+"${2}")
			page = strings.Replace(page, "</head>", `<script type="module" src="../assets/`+scripts["graph"]+`"></script></head>`, 1)
			w.Header().Set("Content-Security-Policy", frame.Header.Get("Content-Security-Policy"))
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = io.WriteString(w, page)
		}
	}
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/", &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(target)
		p.Out.Host = p.In.Host
	}, FlushInterval: -1, ErrorHandler: func(http.ResponseWriter, *http.Request, error) {}})
	mux.HandleFunc("/made/graph", show("graph"))
	mux.HandleFunc("/made/gantt", show("gantt"))
	mux.HandleFunc("/made/items", itemsOf)
	for name, nodes := range graphs {
		mux.HandleFunc("/made/"+name+".json", func(w http.ResponseWriter, _ *http.Request) {
			answerJSON(w, map[string]any{"nodes": nodes})
		})
	}
	made := httptest.NewServer(mux)
	t.Cleanup(made.Close)
	return made.URL + "/made/"
}
