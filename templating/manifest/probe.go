package manifest

type object = map[string]any

// probes are the forms in which a value of a variable may name something: alone, and as each piece of a
// manifest that holds a reference.
func probes() []any {
	named := object{"name": probe}
	keyed := object{"name": probe, "key": probe}
	secret := object{"valueFrom": object{"secretKeyRef": keyed}}
	config := object{"valueFrom": object{"configMapKeyRef": keyed}}
	entry := func(from object) object { return object{"name": "BERTH_PROBE_ENV", "valueFrom": from["valueFrom"]} }
	envFrom := []any{object{"secretRef": named}, object{"configMapRef": named}}
	volumes := []any{
		object{"name": "a", "secret": object{"secretName": probe}},
		object{"name": "b", "configMap": named},
		object{"name": "c", "persistentVolumeClaim": object{"claimName": probe}},
		object{"name": "d", "hostPath": object{"path": "/" + probe}},
		object{"name": "e", "csi": object{"driver": probe, "nodePublishSecretRef": named}},
		object{"name": "f", "projected": object{"sources": []any{object{"secret": named}}}},
	}
	container := object{
		"name": "berth-probe", "image": "busybox:1.36", "envFrom": envFrom,
		"env":             []any{entry(secret)},
		"securityContext": object{"seLinuxOptions": object{"user": probe}},
	}
	pod := object{
		"serviceAccountName": probe, "nodeName": probe, "priorityClassName": probe,
		"imagePullSecrets": []any{named}, "volumes": volumes,
		"containers": []any{container},
	}
	values := []any{
		probe, []any{probe}, named, keyed, []any{named}, []any{keyed},
		object{"X": secret}, object{"X": config}, []any{entry(secret)}, []any{entry(config)},
		entry(secret), secret, object{"secretKeyRef": keyed}, envFrom, envFrom[0], envFrom[1],
		object{"secretName": probe}, object{"claimName": probe}, volumes,
		[]any{object{"secret": named}, object{"serviceAccountToken": object{"path": probe}}},
		container, []any{container}, pod, object{"spec": pod}, object{"template": object{"spec": pod}},
		object{"seLinuxOptions": object{"user": probe}}, object{"kubernetes.io/hostname": probe},
		object{"key": probe}, []any{object{"key": probe}}, object{probeKey: probe},
		object{"labels": object{probeKey: probe}, "annotations": object{probeKey: probe}},
		object{"metadata": object{"labels": object{probeKey: probe}, "annotations": object{probeKey: probe}}},
	}
	return append(values, volumes...)
}
