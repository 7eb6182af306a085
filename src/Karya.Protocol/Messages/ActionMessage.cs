namespace Karya.Protocol.Messages;

/// <summary>Kinds of action on the wire. The values are stored, too: append only.</summary>
public enum ActionKind
{
    None = 0,
    Rest = 1,
    Slack = 2,
    Email = 3,
    Kafka = 4,
    Chain = 5,
    Task = 6,
}

/// <summary>What a task does: an array that begins with its <see cref="ActionKind"/>.</summary>
public abstract record ActionMessage
{
    private protected ActionMessage()
    {
    }

    internal abstract void Write(FrameWriter writer);

    public static ActionMessage Read(ref WireReader reader) => Read(ref reader, depth: 1);

    /// <summary>
    /// Reads an action's kind, after which its slots follow; <see cref="ActionKind.None"/> when it was refused. For
    /// readers that make no objects.
    /// </summary>
    /// <param name="count">How many slots the action has, its kind included.</param>
    public static ActionKind ReadKind(ref WireReader reader, out int count)
    {
        count = reader.ReadArray("action", 2, 8);
        var kind = (ActionKind)reader.ReadInt32("action.kind", 0, byte.MaxValue);
        if (reader.HasFailed)
            return ActionKind.None;
        var (min, max) = SlotsOf(kind);
        if (max == 0)
        {
            reader.Refuse(
                ErrorCode.UnknownAction, "action.kind",
                $"action.kind is {(int)kind}; known are 1 (REST), 2 (Slack), 3 (e-mail), 4 (Kafka), 5 (chain) and " +
                "6 (task).");
        }
        else if (count < min || count > max)
        {
            string expected = min == max ? $"{min}" : $"{min} to {max}";
            reader.Refuse(ErrorCode.Malformed, "action", $"action has {count} items; expected are {expected}.");
        }

        return reader.HasFailed ? ActionKind.None : kind;
    }

    private static (int Min, int Max) SlotsOf(ActionKind kind) => kind switch
    {
        ActionKind.Rest => (RestAction.SlotsMin, RestAction.SlotsMax),
        ActionKind.Slack => (3, 3),
        ActionKind.Email or ActionKind.Kafka or ActionKind.Task => (4, 4),
        ActionKind.Chain => (2, 2),
        _ => (0, 0),
    };

    internal static ActionMessage Read(ref WireReader reader, int depth)
    {
        return ReadKind(ref reader, out int count) switch
        {
            ActionKind.None => TaskAction.Nothing,
            ActionKind.Rest => RestAction.ReadRest(ref reader, count),
            ActionKind.Slack => new SlackAction(
                reader.ReadString("action.channel", ProtocolLimits.LineBytesMax),
                reader.ReadString("action.message", ProtocolLimits.PayloadBytesMax)),
            ActionKind.Email => new EmailAction(
                reader.ReadString("action.recipient", ProtocolLimits.LineBytesMax),
                reader.ReadString("action.subject", ProtocolLimits.LineBytesMax),
                reader.ReadString("action.message", ProtocolLimits.PayloadBytesMax)),
            ActionKind.Kafka => new KafkaAction(
                reader.ReadString("action.topic", ProtocolLimits.LineBytesMax),
                reader.ReadStringOrNil("action.key", ProtocolLimits.LineBytesMax),
                reader.ReadString("action.message", ProtocolLimits.PayloadBytesMax)),
            ActionKind.Chain => new ChainAction(PlanMessage.Read(ref reader, depth + 1)),
            _ => new TaskAction(
                reader.ReadString("action.name", ProtocolLimits.TaskNameBytesMax),
                reader.ReadBinary("action.arguments", ProtocolLimits.PayloadBytesMax).ToArray(),
                reader.ReadInt64("action.timeout", 0, ProtocolLimits.DurationMsMax)),
        };
    }
}

/// <summary>Posts to a Slack channel. <paramref name="Message"/> is a JSON array of blocks, as text.</summary>
public sealed record SlackAction(string Channel, string Message) : ActionMessage
{
    internal override void Write(FrameWriter writer)
    {
        writer.WriteArray(3);
        writer.WriteInt64((int)ActionKind.Slack);
        writer.WriteString(Channel);
        writer.WriteString(Message);
    }
}

/// <summary>Sends a mail.</summary>
public sealed record EmailAction(string Recipient, string Subject, string Message) : ActionMessage
{
    internal override void Write(FrameWriter writer)
    {
        writer.WriteArray(4);
        writer.WriteInt64((int)ActionKind.Email);
        writer.WriteString(Recipient);
        writer.WriteString(Subject);
        writer.WriteString(Message);
    }
}

/// <summary>Publishes to a Kafka topic.</summary>
public sealed record KafkaAction(string Topic, string? Key, string Message) : ActionMessage
{
    internal override void Write(FrameWriter writer)
    {
        writer.WriteArray(4);
        writer.WriteInt64((int)ActionKind.Kafka);
        writer.WriteString(Topic);
        writer.WriteStringOrNil(Key);
        writer.WriteString(Message);
    }
}

/// <summary>Starts another plan, a child of the one that this action belongs to.</summary>
public sealed record ChainAction(PlanMessage Plan) : ActionMessage
{
    internal override void Write(FrameWriter writer)
    {
        writer.WriteArray(2);
        writer.WriteInt64((int)ActionKind.Chain);
        Plan.Write(writer);
    }
}

/// <summary>Has a worker carry it out.</summary>
/// <param name="Name">What workers subscribe to: 1 to 128 of a-z, 0-9, '.', '_' and '-'.</param>
/// <param name="Arguments">Any bytes; JSON by convention.</param>
/// <param name="TimeoutMs">How long an attempt may take; 0 for as long as the worker extends its lease.</param>
public sealed record TaskAction(string Name, byte[] Arguments, long TimeoutMs) : ActionMessage
{
    internal static readonly TaskAction Nothing = new("", [], 0);

    internal override void Write(FrameWriter writer)
    {
        writer.WriteArray(4);
        writer.WriteInt64((int)ActionKind.Task);
        writer.WriteString(Name);
        writer.WriteBinary(Arguments);
        writer.WriteInt64(TimeoutMs);
    }
}
