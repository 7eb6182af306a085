namespace Karya.Node.Plans;

/// <summary>Which actions this node can carry out, beyond those that every node can: the others are refused.</summary>
/// <param name="Slack">It is configured.</param>
/// <param name="Email">The same.</param>
/// <param name="Kafka">The same.</param>
internal sealed record ActionRules(bool Slack, bool Email, bool Kafka)
{
    public static ActionRules None { get; } = new(false, false, false);

    /// <summary>Domains that mail may go to; empty for all.</summary>
    public IReadOnlyList<string> MailDomains { get; init; } = [];

    /// <summary>Topics that may be published to; an entry may end with <c>*</c>.</summary>
    public IReadOnlyList<string> Topics { get; init; } = ["*"];

    /// <summary>What references in plans may stand for.</summary>
    public PlanSecrets Secrets { get; init; } = PlanSecrets.None;
}
