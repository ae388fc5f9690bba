package pool

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/berth-dev/berth/cmd/berth/internal/cli"
	"github.com/berth-dev/berth/server/api"
)

// referenceFlags are what job variables may refer to. Each flag replaces one list of the pool.
type referenceFlags struct {
	secrets, configMaps, accounts, claims, namespaces, keys []string
	priorities, nodeLabels, tolerations                     []string
	none                                                    bool
}

func (f *referenceFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringArrayVar(&f.secrets, "secret", nil,
		"Secret that job variables may name, as NAME or NAME:KEY,KEY; replaces the earlier ones (repeatable)")
	flags.StringArrayVar(&f.configMaps, "config-map", nil,
		"ConfigMap that job variables may name, as NAME or NAME:KEY,KEY; replaces the earlier ones (repeatable)")
	flags.StringSliceVar(&f.accounts, "service-account", nil,
		"ServiceAccount that job variables may name; replaces the earlier ones (repeatable)")
	flags.StringSliceVar(&f.claims, "volume-claim", nil,
		"PersistentVolumeClaim that job variables may name; replaces the earlier ones (repeatable)")
	flags.StringSliceVar(&f.namespaces, "job-namespace", nil,
		"namespace that job variables may name, beside the worker's; replaces the earlier ones (repeatable)")
	flags.StringSliceVar(&f.priorities, "priority-class", nil,
		"PriorityClass that job variables may name; replaces the earlier ones (repeatable)")
	flags.StringSliceVar(&f.nodeLabels, "node-label", nil,
		"label, as KEY or KEY=VALUE, by which job variables may select nodes; replaces the earlier ones (repeatable)")
	flags.StringSliceVar(&f.tolerations, "toleration", nil, "taint that job variables may tolerate, as "+
		"KEY[=VALUE][:EFFECT], or * for every taint; replaces the earlier ones (repeatable)")
	flags.StringSliceVar(&f.keys, "metadata-key", nil,
		"key of labels and annotations that job variables may set, as DOMAIN/NAME or DOMAIN/*; replaces the earlier "+
			"ones (repeatable)")
}

func (f *referenceFlags) addNone(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.none, "no-references", false,
		"let job variables name nothing; the flags above then add to an empty list")
}

func (f *referenceFlags) given() bool {
	return f.none || len(f.secrets)+len(f.configMaps)+len(f.accounts)+len(f.claims)+len(f.namespaces)+
		len(f.priorities)+len(f.nodeLabels)+len(f.tolerations)+len(f.keys) > 0
}

// over returns the pool's lists with those of the flags in their place.
func (f *referenceFlags) over(list api.AllowedReferences) (*api.AllowedReferences, error) {
	if f.none {
		list = api.AllowedReferences{}
	}
	for _, objects := range []struct {
		flag  string
		texts []string
		into  **[]api.AllowedObject
	}{{"secret", f.secrets, &list.Secrets}, {"config-map", f.configMaps, &list.ConfigMaps}} {
		if len(objects.texts) == 0 {
			continue
		}
		read, err := readObjects(objects.flag, objects.texts)
		if err != nil {
			return nil, err
		}
		*objects.into = &read
	}
	for _, names := range []struct {
		texts []string
		into  **[]string
	}{
		{f.accounts, &list.ServiceAccounts}, {f.claims, &list.VolumeClaims}, {f.namespaces, &list.Namespaces},
		{f.priorities, &list.PriorityClasses}, {f.nodeLabels, &list.NodeLabels}, {f.tolerations, &list.Tolerations},
		{f.keys, &list.MetadataKeys},
	} {
		if len(names.texts) > 0 {
			*names.into = &names.texts
		}
	}
	return &list, nil
}

// readObjects reads NAME or NAME:KEY,KEY.
func readObjects(flag string, texts []string) ([]api.AllowedObject, error) {
	objects := make([]api.AllowedObject, 0, len(texts))
	for _, text := range texts {
		name, keys, keyed := strings.Cut(text, ":")
		object := api.AllowedObject{Name: name}
		if name == "" || keyed && keys == "" {
			return nil, cli.Usagef("--%s %q: must be NAME or NAME:KEY,KEY", flag, text)
		}
		if keyed {
			list := strings.Split(keys, ",")
			object.Keys = &list
		}
		objects = append(objects, object)
	}
	return objects, nil
}

// referenceLines are the lists for people, one object a line.
func referenceLines(list api.AllowedReferences) string {
	var lines []string
	objects := func(kind string, list *[]api.AllowedObject) {
		if list == nil {
			return
		}
		for _, o := range *list {
			line := kind + " " + o.Name
			if o.Keys != nil && len(*o.Keys) > 0 {
				line += ": " + strings.Join(*o.Keys, ", ")
			}
			lines = append(lines, line)
		}
	}
	names := func(kind string, list *[]string) {
		if list == nil {
			return
		}
		for _, name := range *list {
			lines = append(lines, kind+" "+name)
		}
	}
	objects("Secret", list.Secrets)
	objects("ConfigMap", list.ConfigMaps)
	names("ServiceAccount", list.ServiceAccounts)
	names("PersistentVolumeClaim", list.VolumeClaims)
	names("Namespace", list.Namespaces)
	names("PriorityClass", list.PriorityClasses)
	names("node label", list.NodeLabels)
	names("toleration", list.Tolerations)
	names("label or annotation", list.MetadataKeys)
	return strings.Join(lines, "\n")
}
