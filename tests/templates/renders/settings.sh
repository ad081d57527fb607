export PASSWORD='s3cret "quoted" '"'"'single'"'"' $HOME `tick` \ back
line two	é €'
export REGION=s3cret-region
