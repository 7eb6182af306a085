namespace Karya.Node.Http.V1;

/// <summary>The discriminators of the original: names of its Kotlin classes.</summary>
internal static class WireNames
{
    public const string OneTime = "karya.core.entities.PlanType.OneTime";
    public const string Recurring = "karya.core.entities.PlanType.Recurring";

    public const string RestApiRequest = "karya.core.entities.Action.RestApiRequest";
    public const string SlackMessageRequest = "karya.core.entities.Action.SlackMessageRequest";
    public const string EmailRequest = "karya.core.entities.Action.EmailRequest";
    public const string KafkaProducerRequest = "karya.core.entities.Action.KafkaProducerRequest";
    public const string ChainedRequest = "karya.core.entities.Action.ChainedRequest";

    /// <summary>Ours: the original knows no workers. Shown only; /v1 takes none.</summary>
    public const string WorkerRequest = "karya.core.entities.Action.WorkerRequest";

    public const string JsonBody = "karya.core.entities.http.Body.JsonBody";
    public const string EmptyBody = "karya.core.entities.http.Body.EmptyBody";

    public const string ExecutorErrorLog = "karya.core.entities.ErrorLogType.ExecutorErrorLog";
    public const string HookErrorLog = "karya.core.entities.ErrorLogType.HookErrorLog";

    public static readonly string[] PlanTypes = [OneTime, Recurring];

    public static readonly string[] Actions =
        [RestApiRequest, SlackMessageRequest, EmailRequest, KafkaProducerRequest, ChainedRequest];

    public static readonly string[] Bodies = [JsonBody, EmptyBody];
    public static readonly string[] Triggers = ["ON_FAILURE", "ON_COMPLETION"];
    public static readonly string[] Protocols = ["HTTP", "HTTPS"];
    public static readonly string[] Methods = ["GET", "POST", "PATCH", "PUT", "DELETE"];
}
