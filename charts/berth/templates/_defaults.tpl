{{/* Written from values.yaml by `go test ./charts -update`. */}}
{{- define "berth.defaults" -}}
apply:
  configMaps: []
  file:
    =: {}
  files:
    =: {}
  hook:
    activeDeadlineSeconds: 240
    enabled: true
  prune: false
commonAnnotations:
  =: {}
commonLabels:
  =: {}
containerSecurityContext:
  =:
    allowPrivilegeEscalation: false
    capabilities:
      drop:
        - ALL
    readOnlyRootFilesystem: true
    runAsNonRoot: true
database:
  connections: 20
  external:
    ca:
      existingSecret: ""
      key: ca.crt
    directURLKey: ""
    existingSecret: ""
    host:
      existingSecret: ""
      key: host
      value: ""
    name:
      existingSecret: ""
      key: dbname
      value: berth
    password:
      existingSecret: ""
      key: password
    port:
      existingSecret: ""
      key: port
      value: 5432
    readURLKey: ""
    sslMode: ""
    urlKey: url
    user:
      existingSecret: ""
      key: username
      value: berth
  partition: ""
  peopleConnections: 10
  peopleTimeout: 10s
  readLag: 5s
enabled: true
extraObjects: []
fullnameOverride: ""
global:
  =: {}
hooks:
  affinity:
    =: {}
  annotations:
    =: {}
  dnsConfig:
    =: {}
  dnsPolicy: ""
  extraContainers: []
  extraEnv: []
  extraEnvFrom: []
  extraInitContainers: []
  extraVolumeMounts: []
  extraVolumes: []
  hostAliases: []
  labels:
    =: {}
  nodeSelector:
    =: {}
  podAnnotations:
    =: {}
  podLabels:
    =: {}
  priorityClassName: ""
  resources:
    =:
      limits:
        memory: 256Mi
      requests:
        cpu: 20m
        memory: 32Mi
  runtimeClassName: ""
  schedulerName: ""
  test:
    enabled: true
  tolerations: []
image:
  digest: ""
  pullPolicy: IfNotPresent
  pullSecrets: []
  repository: ghcr.io/berth-dev/berth
  tag: ""
jobs:
  createNamespace: true
  namespace: ""
  namespaceAnnotations:
    =: {}
  namespaceLabels:
    =: {}
  podSecurity: baseline
  serviceAccount:
    annotations:
      =: {}
    create: true
    imagePullSecrets: []
    labels:
      =: {}
    name: ""
  shareNamespace: false
keys:
  activeDeadlineSeconds: 120
  adminKey: admin
  existingSecret: ""
  identityKey: identity
  workerKey: worker
metrics:
  dashboard:
    annotations:
      =: {}
    enabled: false
    labels:
      =:
        grafana_dashboard: "1"
  deployments: 1000
  podMonitor:
    annotations:
      =: {}
    enabled: false
    interval: ""
    labels:
      =: {}
    metricRelabelings: []
    relabelings: []
    scrapeTimeout: ""
  prometheusRule:
    alertLabels:
      =: {}
    alerts:
      =: {}
    annotations:
      =: {}
    disabled: []
    enabled: false
    keepLabels: []
    labels:
      =: {}
    runbookURL: ""
    selector: ""
  scrapeAnnotations: false
  serviceMonitor:
    annotations:
      =: {}
    enabled: false
    interval: ""
    labels:
      =: {}
    metricRelabelings: []
    relabelings: []
    scrapeTimeout: ""
nameOverride: ""
namespaceOverride: ""
networkPolicy:
  enabled: false
  metricsFrom: []
  postgresql:
    from: []
    podSelector:
      =: {}
    port: 5432
    protect: false
  server:
    egress: []
    from: []
    restrictEgress: false
  worker:
    egress: []
    restrictEgress: false
podSecurityContext:
  =:
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    runAsGroup: 65532
    runAsNonRoot: true
    runAsUser: 65532
    seccompProfile:
      type: RuntimeDefault
secretsAsFiles: true
server:
  affinity:
    =: {}
  annotations:
    =: {}
  autoscaling:
    behavior:
      =: {}
    enabled: false
    maxReplicas: 4
    metrics:
      - resource:
          name: cpu
          target:
            averageUtilization: 80
            type: Utilization
        type: Resource
    minReplicas: 2
  dnsConfig:
    =: {}
  dnsPolicy: ""
  enabled: true
  ensurePools:
    =:
      default: kubernetes
  extraArgs: []
  extraContainers: []
  extraEnv: []
  extraEnvFrom: []
  extraInitContainers: []
  extraVolumeMounts: []
  extraVolumes: []
  hostAliases: []
  httpRoute:
    annotations:
      =: {}
    enabled: false
    filters: []
    hostnames: []
    labels:
      =: {}
    parentRefs: []
    path: /
  ingress:
    annotations:
      =: {}
    className: ""
    enabled: false
    hosts: []
    labels:
      =: {}
    path: /
    pathType: Prefix
    tls: []
  keep:
    audit: 365d
    deleted: 30d
    logs: 30d
    runs: 90d
    statistics: 400d
  labels:
    =: {}
  livenessProbe:
    =:
      failureThreshold: 6
      periodSeconds: 10
      timeoutSeconds: 5
  logFormat: json
  logLevel: info
  minReadySeconds: 0
  nodeSelector:
    =: {}
  outputArchive:
    accessKeyIDKey: AWS_ACCESS_KEY_ID
    endpoint: ""
    existingClaim: ""
    existingSecret: ""
    pathStyle: false
    region: ""
    secretAccessKeyKey: AWS_SECRET_ACCESS_KEY
    url: ""
  persistence:
    accessMode: ReadWriteOnce
    annotations:
      =: {}
    enabled: true
    existingClaim: ""
    labels:
      =: {}
    size: 8Gi
    storageClass: ""
    whenDeleted: Retain
  podAnnotations:
    =: {}
  podDisruptionBudget:
    enabled: true
    maxUnavailable: 1
  podLabels:
    =: {}
  priorityClassName: ""
  publicURL: ""
  rateLimit: 300
  readinessProbe:
    =:
      periodSeconds: 5
      timeoutSeconds: 5
  replicas: 1
  resources:
    =:
      limits:
        memory: 512Mi
      requests:
        cpu: 100m
        memory: 128Mi
  revisionHistoryLimit: 10
  runtimeClassName: ""
  schedulerName: ""
  service:
    annotations:
      =: {}
    externalTrafficPolicy: ""
    internalTrafficPolicy: ""
    ipFamilies: []
    ipFamilyPolicy: ""
    labels:
      =: {}
    loadBalancerClass: ""
    loadBalancerSourceRanges: []
    nodePort: 0
    port: 4200
    trafficDistribution: ""
    type: ClusterIP
  serviceAccount:
    annotations:
      =: {}
    create: true
    labels:
      =: {}
    name: ""
  signIn:
    allowedDomains: []
    clientID: ""
    clientSecretKey: client-secret
    existingSecret: ""
    grants: []
    groupsClaim: groups
    issuer: ""
    recheck: 15m
    scopes: []
    sessionIdle: 4h
    sessionMaxAge: 12h
    trustEmail: false
  startupProbe:
    =:
      failureThreshold: 60
      periodSeconds: 2
  strategy:
    =:
      rollingUpdate:
        maxSurge: 1
        maxUnavailable: 0
      type: RollingUpdate
  streams: 1000
  streamsPerKey: 200
  terminationGracePeriodSeconds: 45
  tls:
    caKey: ca.crt
    existingSecret: ""
  tolerations: []
  topologySpreadConstraints: []
  webhooks:
    allow: []
tracing:
  endpoint: ""
  env:
    =: {}
  existingSecret: ""
  protocol: http/protobuf
worker:
  affinity:
    =: {}
  allNamespaces: false
  annotations:
    =: {}
  apiKey:
    existingSecret: ""
    key: key
  apiURL: ""
  autoscaling:
    behavior:
      =: {}
    enabled: false
    maxReplicas: 10
    metrics:
      - resource:
          name: cpu
          target:
            averageUtilization: 80
            type: Utilization
        type: Resource
    minReplicas: 1
  ca:
    existingSecret: ""
    key: ca.crt
  clusterConfig:
    existingSecret: ""
    key: kubeconfig
  clusterID: ""
  dnsConfig:
    =: {}
  dnsPolicy: ""
  drain:
    activeDeadlineSeconds: 240
    enabled: true
    keepJobs: false
    requireUninstall: true
  dryRunPods: false
  enabled: true
  envAsSecret: false
  extraArgs: []
  extraContainers: []
  extraEnv: []
  extraEnvFrom: []
  extraInitContainers: []
  extraVolumeMounts: []
  extraVolumes: []
  hostAliases: []
  jobAPI:
    createKey: false
    existingSecret: ""
    key: ""
    url: ""
  jobNamespace: ""
  jobSecrets: false
  keda:
    authenticationRef: ""
    cooldownPeriod: 0
    enabled: false
    maxReplicas: 10
    minReplicas: 1
    pollingInterval: 0
    prometheusURL: ""
    query: ""
    queueAgeSeconds: 60
  kueue: false
  labels:
    =: {}
  legacyFinalizers: []
  limit: 0
  livenessProbe:
    =:
      failureThreshold: 6
      periodSeconds: 10
      timeoutSeconds: 5
  logFormat: json
  logLevel: info
  minReadySeconds: 0
  namespaces: []
  nodeSelector:
    =: {}
  podAnnotations:
    =: {}
  podDisruptionBudget:
    enabled: true
    maxUnavailable: 1
  podLabels:
    =: {}
  pool: default
  priorityClassName: ""
  rbac:
    create: true
  readinessProbe:
    =:
      periodSeconds: 5
      timeoutSeconds: 5
  replicas: 1
  resources:
    =:
      limits:
        memory: 512Mi
      requests:
        cpu: 50m
        memory: 64Mi
  revisionHistoryLimit: 10
  runtimeClassName: ""
  schedulerName: ""
  serviceAccount:
    annotations:
      =: {}
    create: true
    labels:
      =: {}
    name: ""
  startupProbe:
    =:
      failureThreshold: 60
      periodSeconds: 2
  strategy:
    =: {}
  templateEnv: []
  terminationGracePeriodSeconds: 45
  tolerations: []
  topologySpreadConstraints: []
workers:
  =: {}
{{- end }}
