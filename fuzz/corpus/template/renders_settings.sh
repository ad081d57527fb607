6export PASSWORD={{ connections.lake.password }}
export REGION={{ variables.region }}
