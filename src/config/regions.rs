//! The regions of the own and of the shared account: from the kwargs, the environment, or the defaults.

use crate::config::kwargs::BackendKwargs;
use crate::config::values::SettingsReader;
use crate::model::aws::Region;
use crate::model::aws_names::variable;
use crate::model::cause::Notice;
use crate::model::kind::Kind;

/// The two regions, which are independent of each other as in the Python backend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regions {
    /// `region_name`, `AWS_DEFAULT_REGION`, `AWS_REGION`; `None` leaves it to the profile, then to `shared`.
    pub own: Option<Region>,
    /// Whether `own` is that of `AWS_REGION`, which boto3 does not read: a profile's region comes before it.
    pub own_is_after_profile: bool,
    /// `aws_region`, `AWS_REGION`, then `eu-central-1`.
    pub shared: Region,
}

impl SettingsReader<'_> {
    /// `None` where there are no kwargs; what the environment says is checked all the same.
    pub fn regions(&mut self, kwargs: Option<&BackendKwargs>, is_aws: bool) -> Option<Regions> {
        let mut region = |name: &str| {
            let region = self.variable(name)?.parse::<Region>();
            region.map_err(|problem| self.errors.add(name, problem)).ok()
        };
        let (aws_region, default_region) = (region(variable::REGION), region(variable::DEFAULT_REGION));
        let kwargs = kwargs?;
        if let (None, Some(first), Some(second)) = (&kwargs.region_name, &aws_region, &default_region)
            && first != second
        {
            self.notices.push(format!(
                "AWS_REGION ({first}) and AWS_DEFAULT_REGION ({second}) differ: the own account is read in {second}, as boto3 \
                 does; set region_name in the kwargs to be sure"
            ));
        }
        let given = kwargs.aws_region.clone().or_else(|| aws_region.clone());
        let shared = given.clone().unwrap_or_else(Region::of_shared_by_default);
        let (code, remedy) = (Notice::NoRegion.code(), Notice::NoRegion.remedy());
        if is_aws && given.is_none() && kwargs.shared.iter().any(|account| account.region.is_none()) {
            self.notices.push(format!(
                "{code} neither aws_region nor AWS_REGION is set: the shared account is read in {shared}, the Python backend's \
                 default; {remedy}"
            ));
        }
        // boto3, and so the live backend, reads AWS_DEFAULT_REGION; AWS's newer SDKs and EKS set AWS_REGION.
        let own = kwargs.region_name.clone().or(default_region);
        let own_is_after_profile = own.is_none();
        let own = own.or(aws_region);
        if is_aws && own.is_none() {
            self.notices.push(format!(
                "{code} no region_name, AWS_REGION or AWS_DEFAULT_REGION: the own account is read in the profile's region, else in \
                 {shared}; {remedy}"
            ));
        }
        self.refuse_same_account_twice(kwargs, &shared);
        Some(Regions { own, own_is_after_profile, shared })
    }

    /// Two entries for one account, region and prefix: the second would never be asked.
    fn refuse_same_account_twice(&mut self, kwargs: &BackendKwargs, shared: &Region) {
        let mut seen = Vec::new();
        for account in &kwargs.shared {
            let prefix = account.names[Kind::Connection].as_ref().map(|names| names.prefix.as_str());
            let identity = (&account.account, account.region.as_ref().unwrap_or(shared), prefix);
            if seen.contains(&identity) {
                self.errors.add(
                    "backend_kwargs key shared",
                    format!("account {} stands there twice with the same region and prefix", account.account),
                );
            }
            seen.push(identity);
        }
    }
}
