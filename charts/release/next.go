package release

import (
	"fmt"
	"strings"

	"helm.sh/helm/v3/pkg/release"
)

// Next says what to do now, the first thing first, as commands to type.
func (s Status) Next() []string {
	switch release.Status(s.State) {
	case release.StatusDeployed:
		if s.Healthy() {
			return s.use()
		}
		return s.look()
	case release.StatusFailed:
		return append(
			s.look(),
			"then bring it to this version again, with other values where they were the reason: "+s.command(
				"upgrade",
			),
		)
	case release.StatusPendingInstall:
		return []string{
			"wait, if somebody is installing it right now",
			"an install that was interrupted is taken out and made again: " + s.command(
				"uninstall",
			) + ", " + s.command(
				"install",
			),
		}
	case release.StatusPendingUpgrade, release.StatusPendingRollback:
		return []string{
			"wait, if somebody is upgrading it right now",
			fmt.Sprintf(
				"an upgrade that was interrupted is taken back: helm -n %s rollback %s",
				s.Namespace,
				s.Name,
			),
		}
	case release.StatusUninstalling:
		return []string{"finish it: " + s.command("uninstall")}
	}
	return s.look()
}

func (s Status) command(verb string) string {
	return fmt.Sprintf("berth %s -n %s --name %s", verb, s.Namespace, s.Name)
}

// use is for an installation that is as it should be.
func (s Status) use() []string {
	for _, w := range s.Workloads {
		if strings.HasSuffix(w.Name, "-server") {
			return []string{
				fmt.Sprintf(
					"reach the server: kubectl -n %s port-forward svc/%s 4200:http",
					s.Namespace,
					w.Name,
				),
				"and in another shell, with an API key in BERTH_API_KEY: berth pool ls",
				"see that it answers from inside: " + s.command("status") + " --test",
			}
		}
	}
	return []string{"see that its worker is there: berth worker ls"}
}

// look is for what is not ready, the first of it first.
func (s Status) look() []string {
	for _, w := range s.Workloads {
		if w.Ready < w.Want {
			return []string{
				fmt.Sprintf(
					"see why it is not ready: kubectl -n %s describe %s %s",
					s.Namespace,
					strings.ToLower(w.Kind),
					w.Name,
				),
				fmt.Sprintf(
					"see what it says: kubectl -n %s logs %s/%s --all-containers --tail 20",
					s.Namespace,
					strings.ToLower(w.Kind),
					w.Name,
				),
			}
		}
	}
	return []string{
		fmt.Sprintf("see what happened: kubectl -n %s get events --sort-by .lastTimestamp", s.Namespace),
	}
}
