package main

import (
	"slices"
	"strings"
)

// The packages that hold the benchmarks.
const (
	renderDir  = "templating/manifest"
	impactDir  = "templating/preview"
	ruleDir    = "templating/rule"
	storeDir   = "server/store"
	serverDir  = "server"
	cycleDir   = "server/store/cycletest"
	dayDir     = "e2e/bench/day"
	clusterDir = "e2e/bench/jobs"
	crowdDir   = "worker/kube/crowd"
	riverDir   = "e2e/bench/river" // with River, and all that is measured beside it
)

// rows lists the promised speeds. A new row needs the benchmarks of ours, of the limit and of the peer in one
// package.
func rows() []row {
	return slices.Concat(templateRows(), storeRows(), serverRows(), pageRows(), dayRows(), clusterRows())
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
	list := slices.Concat(cycleRows(), costRows("process"), costRows("kubernetes"), leaseRows(), pollRows(), []row{
		{
			what: "WAL of a run on the partitions of 90 days, claimed → running → completed",
			dir:  storeDir, ours: "PartitionedCycle", unit: "WAL-B/op", bound: 2_600,
			limit: "FullCycle", limitName: "plain tables", timesLimit: 1.05,
		},
		{
			what: "WAL to remove a run by its partition",
			dir:  storeDir, ours: "Retention/partition", unit: "WAL-B/op", bound: 300,
			limit: "Retention/rows", limitName: "row by row", timesLimit: 0.5,
		},
		{
			what: "rows deleted to remove a run by its partition",
			dir:  storeDir, ours: "Retention/partition", unit: "rows/op", bound: 1.1,
			limit: "Retention/rows", limitName: "row by row", timesLimit: 0.25,
		},
		{
			what: "bulk creation of runs",
			dir:  storeDir, ours: "BulkCreate", unit: "runs/s", more: true, bound: 50_000,
			limit: "BulkCreateLimit", limitName: "COPY",
			peer: "BulkCreate", peerDir: riverDir, peerName: "River",
		},
		{
			what: "log ingest",
			dir:  storeDir, ours: "LogIngest", unit: "B/s", more: true, bound: 50e6, steady: []string{"B/op"},
			limit: "LogIngestLimit", limitName: "COPY",
		},
	})
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

// cycleRows are measured in turns within a benchmark: least-x and most-x are the ratios of its worst and of its best round.
// The time of processors, which client and database took, is what a busy machine disturbs the least.
func cycleRows() []row {
	const process = "claim → running → completed in the store, batches of 100"
	const kubernetes = "the same as a Kubernetes worker reports it"
	pgbenchAndRiver := []string{"least-x-pgbench", "most-x-pgbench", "least-x-river", "most-x-river"}
	return []row{
		{
			what: process,
			dir:  riverDir, ours: "Cycle/berth", unit: "runs/s", more: true, steady: pgbenchAndRiver,
			limit: "Cycle/pgbench", limitName: "pgbench", timesLimit: 0.9,
			peer: "Cycle/river", peerName: "River", timesPeer: 1,
		},
		{
			what: process + ", processors",
			dir:  riverDir, ours: "Cycle/berth", unit: "cpu-sec/op",
			limit: "Cycle/pgbench", limitName: "pgbench", timesLimit: 1.11,
			peer: "Cycle/river", peerName: "River", timesPeer: 1,
		},
		{
			what: kubernetes,
			dir:  riverDir, ours: "KubernetesCycle/berth", unit: "runs/s", more: true,
			steady: []string{"least-x-pgbench", "most-x-pgbench", "least-x-first-layout", "most-x-first-layout"},
			limit:  "KubernetesCycle/pgbench", limitName: "pgbench", timesLimit: 0.9,
			peer: "KubernetesCycle/first-layout", peerName: "pgbench, first layout",
		},
		{
			what: kubernetes + ", processors",
			dir:  riverDir, ours: "KubernetesCycle/berth", unit: "cpu-sec/op",
			limit: "KubernetesCycle/pgbench", limitName: "pgbench", timesLimit: 1.11,
			peer: "KubernetesCycle/first-layout", peerName: "pgbench, first layout",
		},
		{
			what: "what the tables allow a Kubernetes worker, pgbench on both",
			dir:  riverDir, ours: "KubernetesCycle/pgbench", unit: "runs/s", more: true,
			peer: "KubernetesCycle/first-layout", peerName: "pgbench, first layout", timesPeer: 2,
		},
	}
}

// costRows are counts, so that what is above a whole number is the worker's session, which is written once a batch.
func costRows(path string) []row {
	bounds := map[string][]float64{"process": {7.1, 2, 7.1, 2_070}, "kubernetes": {12.1, 2, 12.1, 5_000}}[path]
	units := []string{"rows/op", "deletes/op", "index-entries/op", "WAL-B/op"}
	rows := make([]row, 0, len(units)+1)
	for i, unit := range units {
		rows = append(rows, row{
			what: "written by a run, " + path + ": " + strings.TrimSuffix(unit, "/op"),
			dir:  cycleDir, ours: "CycleCost/" + path, unit: unit, bound: bounds[i], counts: true,
		})
	}
	return append(rows, row{
		what: "updates of a run that write no index, " + path,
		dir:  cycleDir, ours: "CycleCost/" + path, unit: "HOT-share", more: true, bound: 0.95, counts: true,
	})
}

func leaseRows() []row {
	const renewals = "renewals of 100 workers with 70,000 attempts under way: "
	sessions := row{
		dir: cycleDir, ours: "Renewals/sessions", counts: true,
		peer: "Renewals/first-layout", peerName: "a lease each, first layout",
	}
	rows, wal, hot := sessions, sessions, sessions
	rows.what, rows.unit, rows.bound = renewals+"rows written", "rows/s", 100
	wal.what, wal.unit, wal.bound = renewals+"log of a day", "WAL-B/day", 1e9
	hot.what, hot.unit, hot.more, hot.bound = renewals+"updates that write no index", "HOT-share", true, 0.99
	hot.peer, hot.peerName = "", "" // where it is none
	return []row{rows, wal, hot}
}

func pollRows() []row {
	const behind = "with 300,000 runs behind a deployment limit of 1: "
	return []row{
		{
			what: behind + "a poll that finds nothing, p99",
			dir:  cycleDir, ours: "EmptyPoll/one", unit: "p99-sec/op", bound: 0.005, steady: []string{"p50-sec/op", "cpu-sec/op"},
		},
		{
			what: behind + "the last of 20 workers that wake, p99",
			dir:  cycleDir, ours: "EmptyPoll/last-of-20", unit: "p99-sec/op", bound: 0.1, steady: []string{"p50-sec/op", "cpu-sec/op"},
		},
		{
			what: "a claim beside the deletion of a deployment with 200,000 runs that wait, p99",
			dir:  cycleDir, ours: "ClaimBesideDeletion/beside", unit: "p99-sec/op",
			limit: "ClaimBesideDeletion/alone", limitName: "without it", timesLimit: 2,
		},
	}
}

// dayRows are of the small size that the benchmark has without flags: e2e/bench/day/doc.go.
func dayRows() []row {
	const day = "100 runs/s of 50 kB output for 40 s on 20,000 finished runs, PostgreSQL killed: "
	onBase := row{dir: dayDir, ours: "Day/base", counts: true}
	rate, claimed, wal, size, once := onBase, onBase, onBase, onBase, onBase
	rate.what, rate.unit, rate.more, rate.bound = day+"ended", "runs/s", true, 95
	claimed.what, claimed.unit, claimed.timesLimit = day+"due → claimed, p99", "p99-sec/op", 2
	claimed.limit, claimed.limitName = "Day/empty", "without the finished runs"
	wal.what, wal.unit, wal.bound = day+"log of a run, beside its output", "WAL-B/op", 6_000
	wal.steady = []string{"WAL-output-B/op"}
	size.what, size.unit, size.bound = day+"tables, of their size in the middle", "x-size", 1.1
	once.what, once.unit, once.more, once.bound = day+"runs completed, by one job each", "once-share", true, 1
	return []row{rate, claimed, wal, size, once}
}

// pageRows are the pages for people. BERTH_PAGE_RUNS=1000000 makes the installation as large as the design asks for, which
// takes some minutes and 3 GB.
func pageRows() []row {
	const of = " of 100,000 runs, 10,000 deployments and schedules"
	rows := []row{
		{
			what: "page: the newest 50" + of,
			dir:  serverDir, ours: "Pages/runs", unit: "sec/op", bound: 0.15,
			limit: "Pages/limit-api", limitName: "the API's answers alone", timesLimit: 3,
		},
		{what: "page: weight of the list of runs", dir: serverDir, ours: "Pages/runs", unit: "weight-B", bound: 60 << 10},
		{what: "page: weight of the template editor", dir: serverDir, ours: "Pages/editor", unit: "weight-B", bound: 260 << 10},
	}
	for _, page := range []struct{ name, what string }{
		{"overview", "the overview" + of}, {"overview-30d", "the overview of 30 days" + of}, {"runs-failed", "the failed" + of},
		{"runs-text", "a search in names and messages" + of}, {"search", "a search for everything" + of}, {"deployments", "the deployments" + of},
		{"deployment", "a deployment" + of}, {"pool", "a pool" + of}, {"schedules", "the schedules" + of}, {"week", "a week of 200 schedules" + of},
	} {
		rows = append(rows, row{what: "page: " + page.what, dir: serverDir, ours: "Pages/" + page.name, unit: "sec/op", bound: 0.15})
	}
	return append(rows, browserRows()...)
}

// browserRows are what a browser does with the pages: at a quarter of the speed of its processor where it loads them.
func browserRows() []row {
	var rows []row
	for _, page := range []string{"overview", "runs", "deployments", "deployment", "pool", "week", "editor"} {
		of := row{dir: serverDir, ours: "Browser/" + page, counts: true}
		lcp, task, shift := of, of, of
		lcp.what, lcp.unit, lcp.bound = "page: "+page+" at CPU ÷4, largest part (LCP)", "lcp-sec", 1
		task.what, task.unit, task.bound = "page: "+page+" at CPU ÷4, longest task", "task-sec", 0.2
		shift.what, shift.unit, shift.bound = "page: "+page+" at CPU ÷4, shift (CLS)", "cls", 0.02
		rows = append(rows, lcp, task, shift)
	}
	rows = append(rows, row{
		what: "page: from a key to its picture in a template of 300 KB, slowest of 20", dir: serverDir, ours: "EditorKey", unit: "key-sec", bound: 0.05, counts: true,
	})
	for _, output := range []struct {
		name, what string
		all        float64
	}{
		{"lines=100000", "100,000 lines with colours", 3}, {"lines=1000000", "a million lines", 3}, {"chunks=20000", "20,000 writes", 1.5},
	} {
		of := row{dir: serverDir, ours: "LogPage/" + output.name, counts: true}
		first, all, scroll, task, nodes := of, of, of, of, of
		first.what, first.unit, first.bound = "page: log of "+output.what+": first lines", "first-sec", 0.5
		all.what, all.unit, all.bound = "page: log of "+output.what+": all lines", "all-sec", output.all
		scroll.what, scroll.unit, scroll.bound = "page: log of "+output.what+": a picture while scrolling, p95", "scroll-sec", 0.05
		task.what, task.unit, task.bound = "page: log of "+output.what+": longest task", "task-sec", 0.2
		nodes.what, nodes.unit, nodes.bound = "page: log of "+output.what+": elements", "nodes", 1000
		rows = append(rows, first, all, scroll, task, nodes)
	}
	live := row{dir: serverDir, ours: "LogPage/live", counts: true}
	key, share := live, live
	key.what, key.unit, key.bound = "page: log with 2,000 more lines a second: from a key to its picture, slowest", "key-sec", 0.1
	share.what, share.unit, share.bound = "page: log with 2,000 more lines a second: work of the main thread", "main-share", 0.3
	return append(rows, key, share)
}

func serverRows() []row {
	return []row{
		{
			what: "a list of 100 runs with 1 MB of job variables each",
			dir:  serverDir, ours: "ListLargeRuns", unit: "answer-B/op", bound: 100_000, counts: true,
			steady: []string{"B/op"},
		},
		{
			what: "an answer to a claim of 100 runs with 1 MB of job variables each",
			dir:  serverDir, ours: "ClaimLargeRuns", unit: "answer-B/op", bound: 9e6, counts: true,
		},
		{
			what: "renewal of a lease beside 50 streams of one key, p99",
			dir:  serverDir, ours: "RenewBesideStreams", unit: "p99-sec/op", bound: 0.1,
		},
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
			what: "Jobs created by one worker",
			dir:  clusterDir, cluster: true, ours: "JobsCreated/worker", unit: "jobs/s", more: true,
			limit: "JobsCreated/limit", limitName: "a bare loop, the same Jobs", timesLimit: 0.9,
			peer: "JobsCreated/minimal", peerName: "a bare loop, minimal Jobs",
		},
		{
			what: "run created over the API → its pod exists, median",
			dir:  clusterDir, cluster: true, ours: "PodExists/run", unit: "p50-sec/op",
			limit: "PodExists/limit", limitName: "a bare Job", timesLimit: 1.5,
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
			dir:  "e2e", cluster: true, ours: "ManyJobs", unit: "writes/job", bound: 2.1,
		},
		{
			what: "10,000 active Jobs with their output followed and 36,000 finished ones on one worker, resident",
			dir:  crowdDir, ours: "Crowd", unit: "resident-B/op", bound: 350e6, counts: true,
			steady: []string{"live-B/op", "peak-B/op"},
		},
	}
}
