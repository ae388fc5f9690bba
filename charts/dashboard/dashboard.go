// Package dashboard makes the dashboards of the chart for Grafana. A panel is a line here and forty in JSON, and what all
// queries have in common, which installation they are about, is written once.
//
// Queries keep the labels cluster and namespace: two installations that are shown together must not be one series. Whatever is
// the same on all servers is the max of them.
package dashboard

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Board is a dashboard.
type Board struct {
	Name        string // of its file
	Title       string
	Description string
	Variables   []string // beside datasource, cluster and namespace: pool, deployment
	Rows        []Row
}

// Row is a heading with panels.
type Row struct {
	Title  string
	Panels []Panel
}

// Panel shows queries.
type Panel struct {
	Title, Description, Unit string
	Stat                     bool
	Queries                  []Query
}

// Query is an expression with $where for the selector of the installation, and $in for that and the pool.
type Query struct{ Expr, Legend string }

// Expression is the query as Grafana gets it.
func (q Query) Expression() string {
	const where = `cluster=~"$cluster", namespace=~"$namespace"`
	return strings.NewReplacer("$where", where, "$in", where+`, pool=~"$pool"`,
		"$of", where+`, pool=~"$pool", deployment=~"$deployment"`, "$by", "cluster, namespace").Replace(q.Expr)
}

type object = map[string]any

var prometheus = object{"type": "prometheus", "uid": "${datasource}"}

// JSON is the dashboard as Grafana imports it.
func (b Board) JSON() ([]byte, error) {
	var panels []object
	id, y := 0, 0
	next := func(p object, h, w, x int) {
		id++
		p["id"], p["gridPos"] = id, object{"h": h, "w": w, "x": x, "y": y}
		panels = append(panels, p)
	}
	for _, row := range b.Rows {
		next(object{"type": "row", "title": row.Title, "collapsed": false, "panels": []any{}}, 1, width, 0)
		y++
		x := 0
		for i, p := range row.Panels {
			w, h := p.size(len(row.Panels))
			if x+w > width {
				x, y = 0, y+h
			}
			next(p.object(), h, w, x)
			x += w
			if i == len(row.Panels)-1 {
				y += h
			}
		}
	}
	board := object{
		"title": b.Title, "uid": b.Name, "description": b.Description, "tags": []string{"berth"}, "schemaVersion": 39,
		"version": 1, "editable": true, "graphTooltip": 1, "refresh": "30s", "timezone": "",
		"time": object{"from": "now-6h", "to": "now"}, "panels": panels, "templating": object{"list": b.variables()},
		"links": []object{{"type": "dashboards", "title": "Berth", "tags": []string{"berth"}, "asDropdown": true,
			"includeVars": true, "keepTime": true}},
	}
	text, err := json.MarshalIndent(board, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode dashboard %s: %w", b.Name, err)
	}
	return append(text, '\n'), nil
}

const width = 24

func (p Panel) size(inRow int) (w, h int) {
	const high, low = 8, 5
	if p.Stat {
		return max(3, width/inRow), low
	}
	return width / 3, high
}

func (p Panel) object() object {
	o := object{
		"type": "timeseries", "title": p.Title, "description": p.Description, "datasource": prometheus,
		"fieldConfig": object{"defaults": object{"unit": p.Unit, "min": 0}, "overrides": []any{}},
		"options":     object{"legend": object{"displayMode": "list", "placement": "bottom"}, "tooltip": object{"mode": "multi"}},
	}
	if p.Stat {
		o["type"] = "stat"
		o["options"] = object{"reduceOptions": object{"calcs": []string{"lastNotNull"}}, "colorMode": "value", "graphMode": "area"}
	}
	var targets []object
	for i, q := range p.Queries {
		targets = append(targets, object{
			"refId": string(rune('A' + i)), "datasource": prometheus, "expr": q.Expression(), "legendFormat": q.Legend,
		})
	}
	o["targets"] = targets
	return o
}

func (b Board) variables() []object {
	list := []object{{
		"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus", "current": object{},
	}}
	add := func(name, label, query string) {
		list = append(list, object{
			"name": name, "label": label, "type": "query", "datasource": prometheus, "definition": query,
			"query": object{"query": query, "refId": "A"}, "refresh": 2, "includeAll": true, "allValue": ".*", "multi": true,
			"current": object{"text": "All", "value": "$__all"}, "sort": 1,
		})
	}
	add("cluster", "Cluster", "label_values(berth_build_info, cluster)")
	add("namespace", "Namespace", `label_values(berth_build_info{cluster=~"$cluster"}, namespace)`)
	for _, v := range b.Variables {
		switch v {
		case "pool":
			add(v, "Pool", `label_values(berth_pool_info{cluster=~"$cluster", namespace=~"$namespace"}, pool)`)
		case "deployment":
			add(v, "Deployment",
				`label_values(berth_deployment_consecutive_failures{cluster=~"$cluster", namespace=~"$namespace", pool=~"$pool"}, deployment)`)
		}
	}
	return list
}
