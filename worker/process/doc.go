// Package process runs attempts as processes of this host: the first container of the very Job manifest that
// a cluster would get becomes a process group. It is for trying a template with no cluster, and for small
// installations on one host.
//
// It honours command and args with $(VAR) expansion, literal env, workingDir, terminationGracePeriodSeconds
// and activeDeadlineSeconds. It refuses what a workload would break without (env from a Secret, a missing
// command) and names what else has no effect in the diagnosis of the attempt (image, volumes, resources,
// other containers). An image name that begins with "process:" is written for processes and not named there.
//
// A process cannot outlive its worker. When the worker stops, its processes are ended (SIGTERM, then SIGKILL)
// and recorded as evicted. When the worker is killed, the next one on the same directory kills what still
// runs; these attempts end as unknown, unless their outcome was saved.
//
// An attempt is one directory, and its existence makes a launch happen once:
//
//	DIR/worker.lock                       one worker at a time
//	DIR/attempts/<run id>-<attempt>/
//	    record.json                       UID, process, identity, and the outcome once known
//	    output                            stdout and stderr in the order written, bounded
//	    work/                             the working directory if the manifest names none
package process
