//! Names that are AWS's: of actions, as policies and denials have them, and of environment variables, as SDKs read them.

/// Actions of IAM policies (service authorization reference).
pub mod action {
    pub const LIST_SECRETS: &str = "secretsmanager:ListSecrets";
    pub const BATCH_GET_SECRET_VALUE: &str = "secretsmanager:BatchGetSecretValue";
    pub const GET_SECRET_VALUE: &str = "secretsmanager:GetSecretValue";
    pub const PUT_SECRET_VALUE: &str = "secretsmanager:PutSecretValue";
    pub const CREATE_SECRET: &str = "secretsmanager:CreateSecret";
    pub const PUT_RESOURCE_POLICY: &str = "secretsmanager:PutResourcePolicy";
    pub const GENERATE_DATA_KEY: &str = "kms:GenerateDataKey";
    pub const DECRYPT: &str = "kms:Decrypt";
    pub const ASSUME_ROLE: &str = "sts:AssumeRole";
    pub const ASSUME_ROLE_WITH_WEB_IDENTITY: &str = "sts:AssumeRoleWithWebIdentity";
    pub const TAG_SESSION: &str = "sts:TagSession";
    pub const GET_CALLER_IDENTITY: &str = "sts:GetCallerIdentity";
}

/// Environment variables (AWS SDKs and tools reference guide, "Settings reference").
pub mod variable {
    pub const REGION: &str = "AWS_REGION";
    pub const DEFAULT_REGION: &str = "AWS_DEFAULT_REGION";
    pub const ACCESS_KEY_ID: &str = "AWS_ACCESS_KEY_ID";
    pub const SECRET_ACCESS_KEY: &str = "AWS_SECRET_ACCESS_KEY";
    pub const ROLE_ARN: &str = "AWS_ROLE_ARN";
    pub const WEB_IDENTITY_TOKEN_FILE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";
    pub const CONTAINER_RELATIVE_URI: &str = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI";
    pub const CONTAINER_FULL_URI: &str = "AWS_CONTAINER_CREDENTIALS_FULL_URI";
    pub const CONTAINER_TOKEN_FILE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";
    pub const CA_BUNDLE: &str = "AWS_CA_BUNDLE";
    /// Those that name a file which is read.
    pub const FILES: [&str; 6] = [
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        WEB_IDENTITY_TOKEN_FILE,
        CONTAINER_TOKEN_FILE,
        CA_BUNDLE,
        "SSL_CERT_FILE",
    ];
    /// Of all services, of Secrets Manager, of STS.
    pub const ENDPOINTS: [&str; 3] = ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL_STS"];
}
