namespace Karya.Node.Plans;

/// <summary>What the lane of an action stands for, in words. Pure.</summary>
internal static class TargetNames
{
    public static string Of(PlanAction action) => action switch
    {
        RestAction rest => HostOf(rest),
        SlackAction => "Slack",
        EmailAction => "the mail server",
        KafkaAction kafka => $"the Kafka topic {kafka.Topic}",
        ChainedAction => "chained plans",
        WorkerAction worker => $"workers of {worker.Name}",
        _ => action.GetType().Name,
    };

    /// <summary>Which connector carries an action out, in the words of answers.</summary>
    public static string ConnectorOf(PlanAction action) => action switch
    {
        RestAction => "rest",
        SlackAction => "slack",
        EmailAction => "email",
        KafkaAction => "kafka",
        ChainedAction => "chained",
        _ => "worker",
    };

    /// <summary>Host and port as they were written, without who signs in.</summary>
    private static string HostOf(RestAction rest)
    {
        var authority = RestTarget.AuthorityOf(RestTarget.WithoutScheme(rest.BaseUrl));
        return authority[(authority.LastIndexOf('@') + 1)..].ToString();
    }
}
