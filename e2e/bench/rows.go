package main

import "slices"

// The packages that hold the benchmarks.
const (
	renderDir  = "templating/manifest"
	impactDir  = "templating/preview"
	ruleDir    = "templating/rule"
	storeDir   = "server/store"
	serverDir  = "server"
	clusterDir = "e2e/bench/jobs"
)

// rows lists the promised speeds. A new row needs the benchmarks of ours, of the limit and of the peer in one
// package.
func rows() []row {
	return slices.Concat(templateRows(), storeRows(), serverRows(), clusterRows())
}

func allocations() []string { return []string{"allocs/op", "B/op"} }

func templateRows() []row {
	placeholder := renderRow("placeholder", "placeholder")
	placeholder.timesLimit, placeholder.timesPeer = 3, 4
	gotemplate := renderRow("gotemplate", "gotemplate")
	gotemplate.timesLimit, gotemplate.timesPeer = 3, 4
	governed := renderRow("with the references judged", "gotemplate-governed")
	governed.timesLimit, governed.timesPeer = 6, 2
	text := renderRow("text manifest", "gotemplate-text")
	text.timesPeer = 1

	return []row{
		placeholder, gotemplate, governed, text,
		{
			what: "impact of a template change on 10,000 deployments, one core",
			dir:  impactDir, ours: "ImpactOn10000", unit: "sec/op", bound: 1, steady: allocations(),
		},
		{
			what: "12 rules on a finished Job",
			dir:  ruleDir, ours: "RulesOnJob/12", unit: "sec/op",
			limit: "RulesOnJob/limit-render", limitName: "rendering alone", timesLimit: 3,
		},
		{
			what: "impact of a template change with 12 rules on 10,000 deployments, one core",
			dir:  ruleDir, ours: "ImpactOn10000/rules-12", unit: "sec/op", bound: 10,
			limit: "ImpactOn10000/limit-none", limitName: "without rules", timesLimit: 4,
		},
		{
			what: "the slowest hostile template",
			dir:  "templating", ours: "HostileWorst", unit: "worst-sec/op", bound: 0.25,
		},
		{
			what: "most memory of a hostile template",
			dir:  "templating", ours: "HostileWorst", unit: "worst-B/op", bound: 64 << 20,
		},
	}
}

func renderRow(what, ours string) row {
	return row{
		what: "render and prepare: " + what,
		dir:  renderDir, ours: "RenderAndPrepare/" + ours, unit: "sec/op", steady: allocations(),
		limit: "RenderAndPrepare/limit-json", limitName: "json.Unmarshal",
		peer: "RenderAndPrepare/peer-helm", peerName: "the Helm way",
	}
}

func storeRows() []row {
	list := []row{
		{
			what: "claim → running → completed in the store, batches of 100",
			dir:  storeDir, ours: "FullCycle", unit: "runs/s", more: true,
			limit: "FullCycleLimit", limitName: "pgbench", timesLimit: 0.7,
			peer: "FullCycle", peerDir: "e2e/bench/river", peerName: "River", timesPeer: 1,
		},
		{
			what: "WAL of a run, claimed → running → completed",
			dir:  storeDir, ours: "FullCycle", unit: "WAL-B/op", bound: 2_500,
			limit: "FullCycleLimit", limitName: "pgbench", timesLimit: 1.2,
		},
		{
			what: "what a Kubernetes worker reports, in the store, batches of 100",
			dir:  storeDir, ours: "KubernetesCycle", unit: "runs/s", more: true,
		},
		{
			what: "WAL of a run as a Kubernetes worker reports it",
			dir:  storeDir, ours: "KubernetesCycle", unit: "WAL-B/op", bound: 6_000,
		},
		{
			what: "bulk creation of runs",
			dir:  storeDir, ours: "BulkCreate", unit: "runs/s", more: true, bound: 50_000,
			limit: "BulkCreateLimit", limitName: "COPY",
		},
		{
			what: "log ingest",
			dir:  storeDir, ours: "LogIngest", unit: "B/s", more: true, bound: 50e6, steady: []string{"B/op"},
			limit: "LogIngestLimit", limitName: "COPY",
		},
	}
	for _, name := range []string{
		"get", "list-by-pool", "list-by-state", "list-by-deployment", "list-by-time",
		"list-by-name-prefix", "list-by-id-prefix", "deployments-of-pool", "claim", "schedules",
	} {
		list = append(list, row{
			what: "a million runs, 100,000 deployments and schedules, p99: " + name,
			dir:  storeDir, ours: "Questions/big/" + name, unit: "p99-sec/op",
			limit: "Questions/small/" + name, limitName: "a thousand of each", timesLimit: 2,
		})
	}
	// The filters and orders that are hardest to serve; BenchmarkFilters measures all.
	for _, name := range []string{
		"list/none/-scheduled", "list/tag-that-none-has/-created", "list/text-that-none-has/-created",
		"list/queue/-created", "list/ended-lately/-created", "count/none", "count/pool",
	} {
		list = append(list, row{
			what: "a million runs, p99: " + name,
			dir:  storeDir, ours: "Filters/" + name, unit: "p99-sec/op", bound: 0.02,
		})
	}
	return list
}

func serverRows() []row {
	return []row{
		{
			what: "claim → running → completed over the API, four workers, one server",
			dir:  serverDir, ours: "HTTPCycle", unit: "runs/s", more: true, bound: 10_000,
			limit: "HTTPCycleLimit", limitName: "the store alone",
		},
		{
			what: "due → claimed at 200 runs a second, median",
			dir:  serverDir, ours: "HTTPDispatch", unit: "p50-sec/op", bound: 0.005,
		},
		{
			what: "due → claimed at 200 runs a second, p99",
			dir:  serverDir, ours: "HTTPDispatch", unit: "p99-sec/op", bound: 0.05,
		},
	}
}

func clusterRows() []row {
	return []row{
		{
			what: "Jobs created by one worker, --launch=named",
			dir:  clusterDir, cluster: true, ours: "JobsCreated/named", unit: "jobs/s", more: true,
			limit: "JobsCreated/limit", limitName: "bare client-go", timesLimit: 0.8,
		},
		{
			what: "Jobs created by one worker, --launch=gated",
			dir:  clusterDir, cluster: true, ours: "JobsCreated/gated", unit: "jobs/s", more: true,
			limit: "JobsCreated/limit-gated", limitName: "bare client-go", timesLimit: 0.8,
		},
		{
			what: "run created over the API → its pod exists, median",
			dir:  clusterDir, cluster: true, ours: "PodExists/run", unit: "p50-sec/op", bound: 0.02,
			limit: "PodExists/limit", limitName: "a bare Job",
		},
		{
			what: "run created over the API → its pod exists, p99",
			dir:  clusterDir, cluster: true, ours: "PodExists/run", unit: "p99-sec/op", bound: 0.1,
			limit: "PodExists/limit", limitName: "a bare Job",
		},
		{
			what: "pod done → run's end recorded, median",
			dir:  clusterDir, cluster: true, ours: "Recorded", unit: "p50-sec/op", bound: 0.2,
		},
		{
			what: "10,000 active Jobs on one worker, resident",
			dir:  "e2e", cluster: true, ours: "ManyJobs", unit: "resident-B/op", bound: 250e6,
		},
		{
			what: "writes to the API server per Job, from creation to release",
			dir:  "e2e", cluster: true, ours: "ManyJobs", unit: "writes/job", bound: 4,
		},
	}
}
