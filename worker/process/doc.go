// Package process runs attempts as processes of this host: the first container of the very Job manifest that
// a cluster would get becomes a process group. It is for trying a template with no cluster, and for small
// installations on one host.
//
// What it honours: command and args with $(VAR) expansion, literal env, workingDir,
// terminationGracePeriodSeconds, activeDeadlineSeconds. What it can not honour it refuses where the workload
// would break (env from a Secret, a missing command) and otherwise names it in the diagnosis of the attempt
// (image, volumes, resources, other containers). An image whose name begins with process: says that its
// author knows, and is passed over.
//
// A process can not outlive its worker. When the worker stops, its processes are ended (SIGTERM, then
// SIGKILL) and recorded as evicted. When the worker is killed, the next one on the same directory finds them
// by the files of that directory, ends what still runs, and their attempts end as unknown, unless the files
// hold an outcome already.
//
// An attempt is one directory, and its existence is what makes a launch happen once:
//
//	DIR/worker.lock                       one worker at a time
//	DIR/attempts/<run id>-<attempt>/
//	    record.json                       uid, process, identity, outcome once there is one
//	    output                            stdout and stderr in the order written, bounded
//	    work/                             the working directory where the manifest names none
package process
