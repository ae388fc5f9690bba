package release

import (
	"fmt"
	"strings"

	"helm.sh/helm/v3/pkg/release"
)

// Next returns what to do next, in order, with the commands to type.
func (s Status) Next() []string {
	switch release.Status(s.State) {
	case release.StatusDeployed:
		if s.Healthy() {
			return s.usageSteps()
		}
		return s.inspectionSteps()

	case release.StatusFailed:
		return append(s.inspectionSteps(),
			"then upgrade it, with corrected values if they were the cause: "+s.command("upgrade"))

	case release.StatusPendingInstall:
		return []string{
			"wait if an install is in progress",
			"if it was interrupted, uninstall and install again: " + s.command("uninstall") + ", " +
				s.command("install"),
		}

	case release.StatusPendingUpgrade, release.StatusPendingRollback:
		return []string{
			"wait if an upgrade is in progress",
			fmt.Sprintf("if it was interrupted, roll it back: helm -n %s rollback %s", s.Namespace, s.Name),
		}

	case release.StatusUninstalling:
		return []string{"complete the uninstall: " + s.command("uninstall")}
	}
	return s.inspectionSteps()
}

func (s Status) command(verb string) string {
	return fmt.Sprintf("berth %s -n %s --name %s", verb, s.Namespace, s.Name)
}

// usageSteps are the steps after a successful install.
func (s Status) usageSteps() []string {
	for _, w := range s.Workloads {
		if strings.HasSuffix(w.Name, "-server") {
			return []string{
				fmt.Sprintf("forward a local port to the server: kubectl -n %s port-forward svc/%s 4200:http",
					s.Namespace, w.Name),
				"in another shell, with an API key in BERTH_API_KEY: berth pool ls",
				"run a job, to see that server, worker and log work: " + s.command("status") + " --test",
			}
		}
	}
	return []string{"check that the worker is alive: berth worker ls"}
}

// inspectionSteps are the steps to find out why the first workload is not ready.
func (s Status) inspectionSteps() []string {
	for _, w := range s.Workloads {
		kind := strings.ToLower(w.Kind)
		if w.Want == 0 {
			return []string{
				fmt.Sprintf("scale it up: kubectl -n %s scale %s/%s --replicas=1", s.Namespace, kind, w.Name),
			}
		}
		if !w.ready() {
			return []string{
				fmt.Sprintf("check why it is not ready: kubectl -n %s describe %s %s", s.Namespace, kind,
					w.Name),
				fmt.Sprintf("read its logs: kubectl -n %s logs %s/%s --all-containers --tail 20", s.Namespace,
					kind, w.Name),
			}
		}
	}
	return []string{fmt.Sprintf("list the events: kubectl -n %s get events --sort-by .lastTimestamp",
		s.Namespace)}
}
