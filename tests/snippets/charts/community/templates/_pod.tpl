{{- /* The environment of the chart's own containers. No extra init container gets any of it. */}}
{{- define "env" -}}
envFrom:
  - secretRef: {name: {{ .Release.Name }}-config-envs}
env:
  - name: DATABASE_PASSWORD
    valueFrom: {secretKeyRef: {name: {{ .Release.Name }}-postgresql, key: postgresql-password}}
  {{- with .Values.airflow.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- /* .root, .name, .mounts */}}
{{- define "container" -}}
name: {{ .name }}
image: {{ .root.Values.airflow.image.repository }}:{{ .root.Values.airflow.image.tag }}
securityContext: {runAsUser: 50000, runAsGroup: 0}
{{ include "env" .root }}
{{- with .mounts }}
volumeMounts:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* One pod: .root, .name (its own container), .section (of the values), .waits (for the database), .globalInit and .sectionInit
(which extra init containers this version of the chart has for it), .global (its global volumes), .restart */}}
{{- define "pod" -}}
{{- $airflow := .root.Values.airflow }}
{{- $mounts := concat $airflow.extraVolumeMounts .section.extraVolumeMounts }}
{{- $init := list }}
{{- if .globalInit }}{{- $init = concat $init $airflow.extraInitContainers }}{{- end }}
{{- if .sectionInit }}{{- $init = concat $init (.section.extraInitContainers | default list) }}{{- end }}
restartPolicy: {{ .restart | default "Always" }}
serviceAccountName: {{ .root.Release.Name }}
securityContext: {fsGroup: 0}
{{- if or .waits $init }}
initContainers:
  {{- if .waits }}
  - {{- include "container" (dict "root" .root "name" "check-db" "mounts" $mounts) | nindent 4 }}
  - {{- include "container" (dict "root" .root "name" "wait-for-db-migrations" "mounts" $mounts) | nindent 4 }}
  {{- end }}
  {{- with $init }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
containers:
  - {{- include "container" (dict "root" .root "name" .name "mounts" $mounts) | nindent 4 }}
volumes:
  - {name: logs-data, emptyDir: {}}
  {{- with concat $airflow.extraVolumes .section.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}

{{- /* The object around it: .kind and .name besides */}}
{{- define "workload" }}
---
apiVersion: apps/v1
kind: {{ .kind | default "Deployment" }}
metadata:
  name: {{ .root.Release.Name }}-{{ .short }}
spec:
  {{- if eq (.kind | default "") "StatefulSet" }}
  serviceName: {{ .root.Release.Name }}-{{ .short }}
  {{- end }}
  selector: {matchLabels: {component: {{ .short }}}}
  template:
    metadata:
      labels: {component: {{ .short }}}
      annotations:
        checksum/secret-config-envs: {{ .root.Values.airflow.config | toYaml | sha256sum }}
        {{- with .root.Values.airflow.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
        {{- with .section.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      {{- include "pod" . | nindent 6 }}
{{- end }}
