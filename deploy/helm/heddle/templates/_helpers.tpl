{{- define "heddle.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- define "heddle.labels" -}}
app.kubernetes.io/name: heddle
app.kubernetes.io/component: {{ . }}
{{- end }}

{{- define "heddle.meta" -}}
{{- include "heddle.labels" .component }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
{{- end }}

{{/* Where the API server is: Calico's ConfigMap where the address of the Service does not work without it. */}}
{{- define "heddle.server" -}}
envFrom:
  - configMapRef: {name: kubernetes-services-endpoint, optional: true}
{{- end }}

{{/* Asked through the API socket by the program itself. */}}
{{- define "heddle.probes" -}}
startupProbe:
  exec: {command: [/heddle, health, --live, --socket, {{ . }}]}
  periodSeconds: 1
  timeoutSeconds: 5
  failureThreshold: 600
livenessProbe:
  exec: {command: [/heddle, health, --live, --socket, {{ . }}]}
  periodSeconds: 10
  timeoutSeconds: 10
  failureThreshold: 6
readinessProbe:
  exec: {command: [/heddle, health, --socket, {{ . }}]}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end }}
