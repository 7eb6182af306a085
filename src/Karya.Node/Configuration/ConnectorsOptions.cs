namespace Karya.Node.Configuration;

/// <summary>Section <c>connectors</c>: where tasks may go, and one section per connector.</summary>
internal sealed record ConnectorsOptions
{
    public EgressOptions Egress { get; init; } = new();

    public RestOptions Rest { get; init; } = new();

    public SlackOptions Slack { get; init; } = new();

    public EmailOptions Email { get; init; } = new();

    public KafkaOptions Kafka { get; init; } = new();
}

/// <summary>Section <c>connectors.egress</c>.</summary>
internal sealed record EgressOptions
{
    /// <summary>
    /// Networks beside the public ones that tasks may connect to, with commas between them; empty (written <c>auto</c>)
    /// is this machine's loopback while the node listens there only. Each one more is one that whoever submits plans
    /// can reach.
    /// </summary>
    public string Allow { get; init; } = "";
}

/// <summary>Section <c>connectors.rest</c>.</summary>
internal sealed record RestOptions
{
    /// <summary>
    /// How many bytes of an answer are read; 64 KiB, the rest is dropped. More lets connections with long answers be
    /// used again, and costs memory per attempt.
    /// </summary>
    public int ResponseBytesMax { get; init; } = 64 * 1024;

    /// <summary>
    /// Follow redirects; false. True suits targets that move; each hop is checked like the first address, but the
    /// target then chooses where requests go.
    /// </summary>
    public bool FollowRedirects { get; init; }

    /// <summary>
    /// The key by which requests are signed, as Standard Webhooks writes it, references resolved; empty (written
    /// <c>none</c>) for no signatures. Whoever has it can sign in this node's name.
    /// </summary>
    public string SigningKey { get; init; } = "";

    /// <summary>Without the key, wherever options are printed.</summary>
    public override string ToString() => $"{ResponseBytesMax} B, redirects {FollowRedirects}";
}

/// <summary>Section <c>connectors.slack</c>.</summary>
internal sealed record SlackOptions
{
    /// <summary>
    /// The token of a bot with the scope <c>chat:write</c>, references resolved; empty (written <c>none</c>) for no
    /// Slack.
    /// </summary>
    public string Token { get; init; } = "";

    /// <summary>
    /// Where the Slack Web API is; empty (written <c>auto</c>) is https://slack.com/api/. Another for a gateway in
    /// between.
    /// </summary>
    public string Api { get; init; } = "";

    public bool IsSet => Token.Length > 0;

    /// <summary>Without the token, wherever options are printed.</summary>
    public override string ToString() => IsSet ? "set" : Option.NoneText;
}

/// <summary>How the way to a mail server is encrypted.</summary>
internal enum MailSecurity
{
    StartTls,
    Tls,
    None,
}

/// <summary>Section <c>connectors.email</c>.</summary>
internal sealed record EmailOptions
{
    /// <summary>The SMTP server that takes mail; empty (written <c>none</c>) for no mail.</summary>
    public string Host { get; init; } = "";

    /// <summary>Its port; 587, where <see cref="MailSecurity.StartTls"/> is usual. 465 goes with TLS.</summary>
    public int Port { get; init; } = 587;

    /// <summary>How the way there is encrypted; starttls. None only where nobody listens in.</summary>
    public MailSecurity Security { get; init; } = MailSecurity.StartTls;

    /// <summary>
    /// The sender of all mail, <c>name@host</c> or <c>Name &lt;name@host&gt;</c>; empty (none) for no mail.
    /// </summary>
    public string From { get; init; } = "";

    /// <summary>Who signs in at the server; empty (none) for nobody.</summary>
    public string User { get; init; } = "";

    /// <summary>That user's password, references resolved; empty (none) for none.</summary>
    public string Password { get; init; } = "";

    /// <summary>
    /// Domains that mail may go to, with commas between them; empty (written <c>any</c>) for all. A list keeps a plan
    /// from mailing strangers.
    /// </summary>
    public string Domains { get; init; } = "";

    public bool IsSet => Host.Length > 0;

    /// <summary>Without the password, wherever options are printed.</summary>
    public override string ToString() => IsSet ? $"{Host}:{Port}" : Option.NoneText;
}

/// <summary>How Karya signs in at Kafka.</summary>
internal enum KafkaMechanism
{
    ScramSha512,
    ScramSha256,
    Plain,
}

/// <summary>Section <c>connectors.kafka</c>.</summary>
internal sealed record KafkaOptions
{
    /// <summary>Brokers to begin with, <c>host:port</c> with commas between them; empty (none) for no Kafka.</summary>
    public string BootstrapServers { get; init; } = "";

    /// <summary>
    /// Topics that may be published to, with commas between them; *, which is all but Kafka's own. An entry may end
    /// with <c>*</c>. Fewer keeps plans from writing where they should not.
    /// </summary>
    public string Topics { get; init; } = "*";

    /// <summary>Encrypt the way to the brokers; false.</summary>
    public bool Tls { get; init; }

    /// <summary>Who signs in at the brokers; empty (none) for nobody.</summary>
    public string User { get; init; } = "";

    /// <summary>That user's password, references resolved; empty (none) for none.</summary>
    public string Password { get; init; } = "";

    /// <summary>How the user signs in; scram-sha-512. Plain sends the password itself: only with TLS.</summary>
    public KafkaMechanism Mechanism { get; init; } = KafkaMechanism.ScramSha512;

    public bool IsSet => BootstrapServers.Length > 0;

    /// <summary>Without the password, wherever options are printed.</summary>
    public override string ToString() => IsSet ? BootstrapServers : Option.NoneText;
}
