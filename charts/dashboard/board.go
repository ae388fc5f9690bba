package dashboard

// Boards are the dashboards of the chart.
func Boards() []Board { return []Board{overview(), pools(), deployments(), workers(), servers()} }

// one makes a panel of one query.
func one(title, unit, legend, expr, description string) Panel {
	return Panel{Title: title, Unit: unit, Description: description, Queries: []Query{{expr, legend}}}
}

// stat makes a number.
func stat(title, unit, expr, description string) Panel {
	p := one(title, unit, "{{namespace}}", expr, description)
	p.Stat = true
	return p
}

// orZero is 0 where nothing has happened yet: a panel without data says nothing.
func orZero(expr string) string { return "(" + expr + ") or on() vector(0)" }

// quantile is that of a histogram by labels; a time without observations has none, and shows as 0.
func quantile(q, metric, where, by string) string {
	return orZero("histogram_quantile(" + q + ", sum by ($by, " + by + ", le) (rate(" + metric + "_bucket{" + where +
		"}[$__rate_interval]))) >= 0")
}

// perMinute is the rate of a counter.
func perMinute(metric, where, by string) string {
	return orZero("sum by ($by, " + by + ") (rate(" + metric + "{" + where + "}[$__rate_interval])) * 60")
}

// ofServers is a gauge that all servers export alike.
func ofServers(metric, where, by string) string {
	return orZero("max by ($by, " + by + ") (" + metric + "{" + where + "})")
}

const poolLegend, queueLegend = "{{namespace}} {{pool}}", "{{namespace}} {{pool}} / {{queue}}"

func dispatch() Panel {
	return one("Dispatch: due → Job created", "s", poolLegend, quantile("0.95", "berth_run_dispatch_seconds", "$in", "pool"),
		"95 % of the runs were dispatched faster. Berth's part: limits, paused queues, workers.")
}

func startup() Panel {
	return one("Startup: Job created → running", "s", poolLegend, quantile("0.95", "berth_run_startup_seconds", "$in", "pool"),
		"95 % of the Jobs started faster. The cluster's part: quota, scheduling, nodes, images.")
}

func recording() Panel {
	return one("Recording: finished → recorded", "s", poolLegend, quantile("0.95", "berth_run_recording_seconds", "$in", "pool"),
		"95 % of the outcomes were recorded faster. Berth's part: workers and the server.")
}

func waitingRuns() Panel {
	return one("Waiting runs by reason", "short", queueLegend+": {{reason}}",
		ofServers("berth_runs_waiting", "$in", "pool, queue, reason")+"", "What berth run explain says first of each.")
}

func overview() Board {
	return Board{
		Name: "berth-overview", Title: "Berth / Overview", Variables: []string{"pool"},
		Description: "Whether runs get on, and if not, whether Berth or the cluster is why.",
		Rows: []Row{
			{"At a glance", []Panel{
				stat("Active runs", "short", orZero(`sum by ($by) (max by ($by, pool, queue, state) (berth_runs{$in, state=~"PENDING|RUNNING|CANCELLING"}))`),
					"Runs that a worker has claimed and that have not ended."),
				stat("Longest wait", "s", orZero("max by ($by) (berth_run_queue_age_seconds{$in})"), "Of a due run that no worker has claimed."),
				stat("Workers alive", "short", orZero(`sum by ($by) (max by ($by, pool) (berth_workers{$in, state="alive"}))`), "In the selected pools."),
				stat("Successful attempts", "percentunit",
					orZero(`sum by ($by) (increase(berth_attempts_total{$in, outcome="succeeded"}[$__range])) / sum by ($by) (increase(berth_attempts_total{$in}[$__range])) >= 0`),
					"In the time shown."),
				stat("Schedule lag", "s", orZero("max by ($by) (berth_schedule_lag_seconds{$where})"), "Of the most overdue schedule."),
				stat("Paused", "short", orZero("count by ($by) (max by ($by, kind, pool, name) (berth_paused{$in}))"),
					"Pools, queues, deployments, schedules and workers."),
			}},
			{"Berth or the cluster", []Panel{dispatch(), startup(), recording()}},
			{"Runs", []Panel{
				one("Unfinished runs", "short", "{{namespace}} {{state}}",
					orZero("sum by ($by, state) (max by ($by, pool, queue, state) (berth_runs{$in}))"), "By state."),
				waitingRuns(),
				one("Attempts whose container does not run yet", "short", poolLegend+": {{reason}}",
					ofServers("berth_attempts_waiting", "$in", "pool, reason"), "By what the cluster says."),
				one("Ended attempts per minute", "short", "{{namespace}} {{outcome}} {{category}}",
					perMinute("berth_attempts_total", "$in", "outcome, category"), "By outcome and category."),
				one("Oldest run in its state", "s", poolLegend+" {{state}}", ofServers("berth_run_oldest_seconds", "$in", "pool, state"),
					"RUNNING for very long, or CANCELLING that does not end."),
				one("Schedules", "short", "{{namespace}} {{state}}",
					orZero("sum by ($by, state) (max by ($by, pool, state) (berth_schedules{$in}))"), "By state."),
			}},
		},
	}
}

func pools() Board {
	return Board{
		Name: "berth-pool", Title: "Berth / Pool", Variables: []string{"pool"}, Description: "Queues, limits and times of work pools.",
		Rows: []Row{
			{"Waiting", []Panel{
				{Title: "Longest wait and objective", Unit: "s", Description: "Of the oldest due run of each queue.", Queries: []Query{
					{ofServers("berth_run_queue_age_seconds", "$in", "pool, queue"), queueLegend},
					{ofServers("berth_queue_objective_seconds", "$in", "pool, queue"), queueLegend + " objective"},
				}},
				waitingRuns(),
				one("Slots", "short", queueLegend+" {{kind}}", ofServers("berth_slots", "$in", "pool, queue, kind"), "In use, and the limit where there is one."),
			}},
			{"Times", []Panel{
				dispatch(), startup(), recording(),
				one("Claim", "s", poolLegend, quantile("0.95", "berth_run_claim_seconds", "$in", "pool"), "From when a run could be claimed until it was, 95 %."),
				{Title: "Duration", Unit: "s", Description: "From when a container ran until its attempt ended.", Queries: []Query{
					{quantile("0.5", "berth_run_duration_seconds", "$in", "pool, state"), poolLegend + " {{state}}, median"},
					{quantile("0.95", "berth_run_duration_seconds", "$in", "pool, state"), poolLegend + " {{state}}, 95 %"},
				}},
				one("Oldest attempt that does not run yet", "s", poolLegend+": {{reason}}",
					ofServers("berth_attempts_waiting_oldest_seconds", "$in", "pool, reason"), "Since it was claimed."),
			}},
			{"Ends", []Panel{
				one("Ended attempts per minute", "short", poolLegend+" {{outcome}} {{category}}",
					perMinute("berth_attempts_total", "$in", "pool, outcome, category"), "By outcome and category."),
				one("Disruptions per minute", "short", poolLegend+" {{reason}}", perMinute("berth_worker_evictions_total", "$in", "pool, reason"),
					"Attempts that the infrastructure took away."),
				one("Refusals by rules per minute", "short", poolLegend+" {{rule}}", perMinute("berth_rule_denials_total", "$in", "pool, rule"),
					"Runs that a rule refused."),
			}},
		},
	}
}

func deployments() Board {
	const legend = "{{namespace}} {{deployment}}"
	return Board{
		Name: "berth-deployment", Title: "Berth / Deployment", Variables: []string{"pool", "deployment"},
		Description: "The last runs of deployments.",
		Rows: []Row{{"Deployments", []Panel{
			one("Failed in a row", "short", legend, ofServers("berth_deployment_consecutive_failures", "$of", "pool, deployment"), "Since a run completed last."),
			one("Time since the last success", "s", legend,
				orZero("time() - max by ($by, pool, deployment) (berth_deployment_last_success_timestamp_seconds{$of})"), "None before the first."),
			one("Unfinished runs", "short", legend+" {{state}}", ofServers("berth_deployment_runs", "$of", "pool, deployment, state"), "By state."),
			one("Last state", "short", legend+" {{state}}", ofServers("berth_deployment_last_state", "$of", "pool, deployment, state"),
				"Of the run that ended last."),
			one("Slots since the last success", "short", legend, ofServers("berth_deployment_slots_since_success", "$of", "pool, deployment"),
				"Of the deployment's schedule."),
			one("Paused", "s", "{{namespace}} {{kind}} {{name}}", ofServers("berth_paused_seconds", "$in", "kind, pool, name"), "For how long."),
		}}},
	}
}

func workers() Board {
	const podLegend = "{{namespace}} {{pod}}"
	return Board{
		Name: "berth-worker", Title: "Berth / Worker", Variables: []string{"pool"}, Description: "Workers and what the cluster answers them.",
		Rows: []Row{
			{"Workers", []Panel{
				one("Workers", "short", poolLegend+" {{state}}", ofServers("berth_workers", "$in", "pool, state"), "Alive or gone."),
				one("Last heard of", "s", poolLegend, ofServers("berth_worker_last_seen_seconds", "$in", "pool"), "The freshest worker of the pool."),
				one("Versions", "short", poolLegend+" {{version}}", ofServers("berth_worker_versions", "$in", "pool, version"), "Of live workers."),
				one("Active attempts", "short", podLegend, orZero("sum by ($by, pod) (berth_worker_active_attempts{$in})"), "That each worker holds."),
				one("Reports per minute", "short", "{{namespace}} {{kind}} {{status}}", perMinute("berth_worker_reports_total", "$where", "kind, status"), "By kind and answer."),
				one("Output", "Bps", podLegend, orZero("sum by ($by, pod) (rate(berth_worker_log_bytes_total{$where}[$__rate_interval]))"), "Accepted by the server."),
				one("Takeovers and refused duplicates per minute", "short", "{{namespace}}", orZero("sum by ($by) (rate(berth_lease_takeovers_total{$where}[$__rate_interval])) * 60 + sum by ($by) (rate(berth_duplicates_refused_total{$where}[$__rate_interval])) * 60"),
					"Leases that ran out, and Jobs of which there was another."),
				one("Template rendering", "s", "{{namespace}} {{engine}}", quantile("0.95", "berth_template_render_seconds", "$where", "engine"), "95 %."),
				one("Truncated output per minute", "short", podLegend, perMinute("berth_worker_output_truncated_total", "$where", "pod"), "Attempts whose output reached the limit."),
			}},
			{"The cluster", []Panel{
				one("Requests to the API server", "reqps", "{{namespace}} {{method}} {{code}}",
					orZero("sum by ($by, method, code) (rate(rest_client_requests_total{$where}[$__rate_interval]))"), "By method and status."),
				one("Time of requests to the API server", "s", "{{namespace}} {{verb}}", quantile("0.95", "rest_client_request_duration_seconds", "$where", "verb"), "95 %."),
				one("Namespaces served", "short", podLegend+" {{job_namespace}}", orZero("min by ($by, pod, job_namespace) (berth_worker_namespace_served{$where})"), "1 if Jobs can be created and observed."),
				one("Longest termination", "s", podLegend, orZero("max by ($by, pod) (berth_objects_terminating_seconds{$where})"), "By which a deletion is overdue."),
				one("Finalizers removed per minute", "short", "{{namespace}} {{result}}", perMinute("berth_finalizer_removals_total", "$where", "result"), "By result."),
				one("Legacy finalizers", "short", "{{namespace}}", orZero("sum by ($by) (berth_finalizer_legacy_objects{$where})"), "Of an older release."),
			}},
		},
	}
}

func servers() Board {
	const podLegend = "{{namespace}} {{pod}}"
	return Board{
		Name: "berth-server", Title: "Berth / Server and database", Description: "Requests, schedules, the database and deliveries.",
		Rows: []Row{
			{"Requests", []Panel{
				one("Requests", "reqps", "{{namespace}} {{class}}", orZero("sum by ($by, class) (rate(berth_http_requests_total{$where}[$__rate_interval]))"), "By class of status."),
				one("Slowest routes", "s", "{{namespace}} {{method}} {{route}}", orZero(`topk(8, histogram_quantile(0.95, sum by ($by, method, route, le) (rate(berth_http_request_seconds_bucket{$where}[$__rate_interval]))) >= 0)`), "95 %. Long polls and streams include the time they wait."),
				one("Output received", "Bps", podLegend, orZero("sum by ($by, pod) (rate(berth_log_bytes_total{$where}[$__rate_interval]))"), "From workers."),
			}},
			{"Schedules", []Panel{
				one("Lag", "s", "{{namespace}}", orZero("max by ($by) (berth_schedule_lag_seconds{$where})"), "Of the most overdue schedule."),
				one("Delay of slots", "s", poolLegend, quantile("0.95", "berth_schedule_delay_seconds", "$where", "pool"), "95 %."),
				one("Age of figures", "s", podLegend, orZero("max by ($by, pod) (berth_statistics_age_seconds{$where})"), "Since the server could read them."),
			}},
			{"Database", []Panel{
				{Title: "Connections", Unit: "short", Description: "In use, and the most that there may be.", Queries: []Query{
					{orZero("sum by ($by, pod, connections) (berth_db_connections_in_use{$where})"), podLegend + " {{connections}} in use"},
					{orZero("sum by ($by, pod, connections) (berth_db_connections_max{$where})"), podLegend + " {{connections}} at most"},
				}},
				one("Waiting for a connection", "s", podLegend+" {{connections}}", orZero("sum by ($by, pod, connections) (rate(berth_db_wait_seconds_total{$where}[$__rate_interval]))"), "Seconds in each second."),
				one("Notifications", "short", podLegend, orZero("min by ($by, pod) (berth_db_notifications_up{$where})"), "1 while the servers hear of each other at once."),
				one("Read replica", "s", podLegend, orZero("max by ($by, pod) (berth_db_replica_lag_seconds{$where})"), "How far it is behind."),
				one("Removed per minute", "short", "{{namespace}} {{kind}}", perMinute("berth_retention_removed_total", "$where", "kind"), "After the retention period."),
				one("Memory", "bytes", podLegend, orZero("process_resident_memory_bytes{$where} and on ($by, instance) berth_build_info{$where}"), "Resident, of servers and workers."),
			}},
			{"Deliveries and keys", []Panel{
				one("Webhooks that wait", "short", "{{namespace}}", orZero("max by ($by) (berth_webhook_pending{$where})"), "Deliveries."),
				one("Output archive", "short", "{{namespace}} {{kind}}", ofServers("berth_output_archive_pending", "$where", "kind"), "What waits for it."),
				one("Traces per minute", "short", "{{namespace}} {{result}}", perMinute("berth_trace_ends_total", "$where", "result"), "Ends of attempts and runs whose spans were sent."),
				one("API keys that expire", "s", "{{namespace}} {{key}}", orZero("min by ($by, key) (berth_api_key_expiry_seconds{$where}) - time()"), "In this time."),
				one("Certificate", "s", podLegend, orZero("min by ($by, pod) (berth_tls_certificate_expiry_seconds{$where}) - time()"), "Expires in this time."),
				one("Refused sign-ins per minute", "short", "{{namespace}} {{result}}", perMinute("berth_sign_ins_total", `$where, result!="ok"`, "result"), "By result."),
			}},
		},
	}
}
