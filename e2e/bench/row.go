package main

import (
	"fmt"
	"slices"
	"strings"
)

// row is one line of the table.
type row struct {
	// what is measured, in words.
	what string
	// dir is the folder of the Go package that has the benchmarks, from the root of the repository.
	dir string
	// peerDir is the folder of the peer's benchmark; empty: the same.
	peerDir string
	// ours, limit and peer are benchmarks, without the word Benchmark; limit and peer may be empty.
	ours, limit, peer string
	// limitName and peerName say what they are.
	limitName, peerName string
	// unit is the metric that is compared, in base units as benchfmt has them: sec/op, or what the benchmark
	// itself reports. more is true where more of it is better.
	unit string
	more bool
	// The targets; zero is none. timesLimit: ours takes at most so many times what the limit takes (with
	// more: reaches at least this part of it). timesPeer: ours is at least so many times better than the
	// peer. bound: the worst that ours may be.
	timesLimit, timesPeer, bound float64
	// cluster: it needs a Kubernetes cluster.
	cluster bool
	// counts: it counts rows or bytes, which are the same in every round, so that it is run once.
	counts bool
	// steady names metrics that are printed beside, as allocs/op.
	steady []string
}

func (r row) ofPeer() string {
	if r.peerDir != "" {
		return r.peerDir
	}
	return r.dir
}

// samples are the values of one metric of one benchmark, a value a round.
type samples map[sampleKey][]float64

type sampleKey struct{ dir, benchmark, unit string }

func (s samples) median(dir, benchmark, unit string) (float64, error) {
	values := slices.Sorted(slices.Values(s[sampleKey{dir, benchmark, unit}]))
	if len(values) == 0 {
		return 0, fmt.Errorf("no %s from Benchmark%s in %s", unit, benchmark, dir)
	}
	return values[len(values)/2], nil
}

// result is a row with its figures.
type result struct {
	What      string             `json:"what"`
	Unit      string             `json:"unit"`
	Ours      float64            `json:"ours"`
	Limit     float64            `json:"limit,omitempty"`
	LimitName string             `json:"limit_name,omitempty"`
	Peer      float64            `json:"peer,omitempty"`
	PeerName  string             `json:"peer_name,omitempty"`
	ToLimit   float64            `json:"to_limit,omitempty"`
	ToPeer    float64            `json:"to_peer,omitempty"`
	Target    string             `json:"target"`
	Met       bool               `json:"met"`
	Beside    map[string]float64 `json:"beside,omitempty"`
}

// judge compares medians with the targets.
func (r row) judge(s samples) (result, error) {
	out := result{
		What:      r.what,
		Unit:      r.unit,
		LimitName: r.limitName,
		PeerName:  r.peerName,
		Met:       true,
		Beside:    map[string]float64{},
	}
	var err error
	if out.Ours, err = s.median(r.dir, r.ours, r.unit); err != nil {
		return out, err
	}
	for _, unit := range r.steady {
		if out.Beside[unit], err = s.median(r.dir, r.ours, unit); err != nil {
			return out, err
		}
	}
	var targets []string
	want := func(ok bool, format string, args ...any) {
		out.Met = out.Met && ok
		targets = append(targets, fmt.Sprintf(format, args...))
	}
	if r.limit != "" {
		if out.Limit, err = s.median(r.dir, r.limit, r.unit); err != nil {
			return out, err
		}
		out.ToLimit = out.Ours / out.Limit
		switch {
		case r.timesLimit == 0:
		case r.more:
			want(out.ToLimit >= r.timesLimit, "≥ %g × limit", r.timesLimit)
		default:
			want(out.ToLimit <= r.timesLimit, "≤ %g × limit", r.timesLimit)
		}
	}
	if r.peer != "" {
		if out.Peer, err = s.median(r.ofPeer(), r.peer, r.unit); err != nil {
			return out, err
		}
		out.ToPeer = out.Peer / out.Ours
		if r.more {
			out.ToPeer = out.Ours / out.Peer
		}
		if r.timesPeer != 0 {
			want(out.ToPeer >= r.timesPeer, "≥ %g × peer", r.timesPeer)
		}
	}
	switch {
	case r.bound == 0:
	case r.more:
		want(out.Ours >= r.bound, "≥ %s", figure(r.bound, r.unit))
	default:
		want(out.Ours <= r.bound, "≤ %s", figure(r.bound, r.unit))
	}
	out.Target = strings.Join(targets, ", ")
	return out, nil
}
