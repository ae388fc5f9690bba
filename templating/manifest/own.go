package manifest

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/berth-dev/berth/templating"
	"github.com/berth-dev/berth/templating/runtrace"
)

// ownLabels labels and annotates the Job and its pods.
func (b *builder) ownLabels() {
	labels, annotations := b.stringMap(keyLabels), b.stringMap(keyAnnotations)
	podMeta := &b.job.Spec.Template.ObjectMeta
	podPointer := manifestPointer.key("spec").key("template").key("metadata")
	for _, target := range []struct {
		labels, annotations *map[string]string
		place               pointer
		add                 func(labels map[string]string)
	}{
		{&b.job.Labels, &b.job.Annotations, manifestPointer.key("metadata"), b.addJobLabels},
		{&podMeta.Labels, &podMeta.Annotations, podPointer, b.addLabels},
	} {
		*target.labels = b.userKeys(*target.labels, labels, target.place.key("labels"))
		*target.annotations = b.userKeys(*target.annotations, annotations, target.place.key("annotations"))
		for key, v := range *target.labels {
			(*target.labels)[key] = LabelValue(v)
		}
		target.add(*target.labels)
	}
	b.addAnnotations(b.job.Annotations)
}

// stringMap reads labels or annotations of job_configuration.
func (b *builder) stringMap(key string) map[string]string {
	v, ok := b.configuration[key]
	if !ok || v == nil {
		return nil
	}
	object, ok := v.(map[string]any)
	if !ok {
		b.fail(templating.CodeType, at(key), "must be an object, not %s", describe(v))
		return nil
	}
	result := make(map[string]string, len(object))
	for name, item := range object {
		if !b.checkKey(key, name) {
			continue
		}
		switch text := item.(type) {
		case nil:
		case string:
			result[name] = text
		default:
			b.fail(templating.CodeType, at(key).key(name), "must be a string, not %s", describe(item)).Suggestion = "quote it"
		}
	}
	return result
}

// checkKey refuses the key of a label or annotation that none can have, and says which one could be meant.
func (b *builder) checkKey(of, name string) bool {
	if len(validation.IsQualifiedName(strings.ToLower(name))) == 0 && (of == keyAnnotations || len(validation.IsQualifiedName(name)) == 0) {
		return true
	}
	p := b.fail(templating.CodeInvalid, at(of).key(name), "%q is not a valid key: it may have letters, digits, '-', '_' and '.', and "+
		"a domain before a slash", name)
	domain, rest, hasDomain := strings.Cut(name, "/")
	if !hasDomain {
		domain, rest = "", name
	}
	if meant := LabelValue(rest); len(validation.IsQualifiedName(meant)) == 0 {
		if hasDomain && len(validation.IsDNS1123Subdomain(domain)) == 0 {
			meant = domain + "/" + meant
		}
		p.Suggestion = "write " + strconv.Quote(meant)
	}
	return false
}

// userKeys is what job_configuration says over what the manifest says, without anything that is ours alone.
func (b *builder) userKeys(own, configured map[string]string, place pointer) map[string]string {
	result := make(map[string]string, len(own)+len(configured)+8)
	maps.Copy(result, own)
	maps.Copy(result, configured)
	for key := range result {
		if strings.HasPrefix(key, Prefix) {
			delete(result, key)
			b.warn(templating.CodeImport, place.key(key),
				"%s is set by Berth; the value in the template is ignored", key)
		}
	}
	return result
}

// addLabels adds the labels that Job and pods have: those by which workers select them.
func (b *builder) addLabels(labels map[string]string) {
	labels[LabelInstallation] = b.id.Installation.String()
	labels[LabelRunID] = b.id.RunID.String()
	labels[LabelAttempt] = strconv.Itoa(b.id.Attempt)
}

// addJobLabels adds those of a Job; the app.kubernetes.io set only where the template has none.
func (b *builder) addJobLabels(labels map[string]string) {
	b.addLabels(labels)
	labels[LabelPool] = LabelValue(b.id.Pool)
	labels[LabelDeployment] = LabelValue(b.id.Deployment)
	labels[LabelAppName] = cmp.Or(labels[LabelAppName], AppName)
	labels[LabelAppComponent] = cmp.Or(labels[LabelAppComponent], AppComponent)
	labels[LabelAppManagedBy] = cmp.Or(labels[LabelAppManagedBy], AppManagedBy)
}

func (b *builder) addAnnotations(annotations map[string]string) {
	annotations[AnnotationLeaseEpoch] = strconv.FormatInt(b.id.LeaseEpoch, 10)
	annotations[AnnotationTemplateVersion] = strconv.Itoa(b.id.TemplateVersion)
	annotations[AnnotationRunName] = b.id.RunName
	annotations[AnnotationQueue] = b.id.Queue
	if container := b.jobContainer(); container != nil {
		annotations[AnnotationJobContainer] = container.Name
		b.finished.JobContainer = container.Name
	}
	if !b.finished.StreamOutput {
		annotations[AnnotationStreamOutput] = "false"
	}
	if ttl := b.job.Spec.TTLSecondsAfterFinished; ttl != nil {
		annotations[AnnotationTTL] = strconv.Itoa(int(*ttl))
		b.job.Spec.TTLSecondsAfterFinished = nil
		if *ttl < 0 {
			b.fail(templating.CodeInvalid, manifestPointer.key("spec").key("ttlSecondsAfterFinished"),
				"must not be negative")
		}
	}
}

// ownSpec decides what the pods run as, and what the Job controller may do with them.
func (b *builder) ownSpec() {
	pod := &b.job.Spec.Template.Spec
	if pod.ServiceAccountName == "" && pod.DeprecatedServiceAccount == "" {
		pod.ServiceAccountName, b.finished.FromWorker.ServiceAccount = b.id.ServiceAccount, true
		if pod.AutomountServiceAccountToken == nil { // who needs the API names an account
			pod.AutomountServiceAccountToken = new(false)
		}
	}
	if pod.EnableServiceLinks == nil { // a Service named berth-… would add BERTH_… variables beside ours
		pod.EnableServiceLinks = new(false)
	}
	b.ownPods()
}

// ownContainers gives every container the run's environment, before its own so that that may refer to it.
func (b *builder) ownContainers() {
	pod := &b.job.Spec.Template.Spec
	common := b.environment()
	place := manifestPointer.key("spec").key("template").key("spec")
	for i := range pod.InitContainers {
		c := &pod.InitContainers[i]
		c.Env = slices.Concat(common, b.traceEnv(c.Env), b.userEnv(c.Env, place.key("initContainers").item(i)))
	}
	for i := range pod.Containers {
		c := &pod.Containers[i]
		own := common
		if i == 0 {
			own = slices.Concat(common, b.apiEnvironment())
		}
		c.Env = slices.Concat(own, b.traceEnv(c.Env), b.userEnv(c.Env, place.key("containers").item(i)))
	}
}

// traceEnv makes spans of the job children of the attempt, unless the template has another parent for them.
func (b *builder) traceEnv(own []corev1.EnvVar) []corev1.EnvVar {
	if slices.ContainsFunc(own, func(v corev1.EnvVar) bool { return v.Name == EnvTraceparent }) {
		return nil
	}
	return []corev1.EnvVar{{Name: EnvTraceparent, Value: runtrace.Parent(b.id.RunID, b.id.Attempt)}}
}

func (b *builder) userEnv(env []corev1.EnvVar, place pointer) []corev1.EnvVar {
	return slices.DeleteFunc(env, func(v corev1.EnvVar) bool {
		if !strings.HasPrefix(v.Name, EnvPrefix) {
			return false
		}
		b.warn(templating.CodeImport, place.key("env"),
			"%s is set by Berth; the value in the template is ignored", v.Name)
		return true
	})
}

func (b *builder) environment() []corev1.EnvVar {
	scheduled := templating.RunContext{ScheduledTime: b.id.ScheduledTime, Timezone: b.id.Timezone}
	local, err := scheduled.Local()
	if err != nil {
		b.fail(templating.CodeInvalid, manifestPointer, "%v", err)
	}
	return []corev1.EnvVar{
		{Name: EnvRunID, Value: b.id.RunID.String()},
		{Name: EnvRunName, Value: Escape(b.id.RunName)},
		{Name: EnvAttempt, Value: strconv.Itoa(b.id.Attempt)},
		{Name: EnvDeployment, Value: Escape(b.id.Deployment)},
		{Name: EnvWorkPool, Value: Escape(b.id.Pool)},
		{Name: EnvParameters, Value: Escape(cmp.Or(string(b.id.Parameters), "{}"))},
		{Name: EnvScheduledTime, Value: local.UTC().Format(time.RFC3339Nano)},
		{Name: EnvScheduledDate, Value: local.Format(time.DateOnly)},
		{Name: EnvScheduledTimezone, Value: cmp.Or(b.id.Timezone, "UTC")},
	}
}

func (b *builder) apiEnvironment() []corev1.EnvVar {
	api := b.id.API
	if api == nil {
		return nil
	}
	env := []corev1.EnvVar{{Name: EnvAPIURL, Value: api.URL}}
	from := corev1.SecretKeySelector{
		LocalObjectReference: corev1.LocalObjectReference{Name: api.SecretName},
		Key:                  api.SecretKey,
	}
	if api.Key != "" {
		from.Name, from.Key = b.job.Name, EnvAPIKey
	}
	if from.Name != "" {
		env = append(env,
			corev1.EnvVar{Name: EnvAPIKey, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &from}})
	}
	return env
}

// ownKey puts the attempt's own key into its Secret.
func (b *builder) ownKey() {
	if api := b.id.API; api != nil && api.Key != "" {
		b.finished.Secret = &Sealed{Name: b.job.Name, Data: map[string]string{EnvAPIKey: api.Key}}
	}
}
