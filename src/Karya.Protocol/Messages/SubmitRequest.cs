namespace Karya.Protocol.Messages;

/// <summary>What an acknowledged plan has been given.</summary>
public enum Durability
{
    /// <summary>The store has it: it outlives the node.</summary>
    Durable = 0,

    /// <summary>The node has it in memory, and writes it next: a crash at the wrong moment loses it.</summary>
    Accepted = 1,
}

/// <summary>Asks a node to take a plan.</summary>
/// <param name="Key">
/// The same key of the same user with the same plan gives the plan that is there; with another one it is refused. Null
/// for none.
/// </param>
public sealed record SubmitRequest(PlanMessage Plan, Durability Durability, string? Key) : IMessage<SubmitRequest>
{
    public static Opcode Opcode => Opcode.Submit;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(3);
        writer.WriteInt64((int)Durability);
        writer.WriteStringOrNil(Key);
        Plan.Write(writer);
    }

    public static SubmitRequest Read(ref WireReader reader)
    {
        reader.ReadArray("submit", 3, 3);
        var durability = ReadDurability(ref reader);
        string? key = reader.ReadStringOrNil("key", ProtocolLimits.KeyBytesMax);
        return new SubmitRequest(PlanMessage.Read(ref reader), durability, key);
    }

    public static Durability ReadDurability(ref WireReader reader) =>
        (Durability)reader.ReadInt32("durability", 0, (int)Durability.Accepted);
}

/// <summary>The plan is taken.</summary>
/// <param name="Durability">What it was given, which may be more than what was asked for.</param>
/// <param name="Existed">The key or id named a plan that was there already; nothing was done.</param>
public sealed record SubmitReply(UInt128 Plan, Durability Durability, bool Existed) : IMessage<SubmitReply>
{
    public static Opcode Opcode => Opcode.Submit | Opcode.Reply;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(3);
        writer.WriteUuid(Plan);
        writer.WriteInt64((int)Durability);
        writer.WriteBool(Existed);
    }

    public static SubmitReply Read(ref WireReader reader)
    {
        reader.ReadArray("submit_reply", 3, 3);
        return new SubmitReply(
            reader.ReadUuid("plan"), SubmitRequest.ReadDurability(ref reader), reader.ReadBool("existed"));
    }
}

/// <summary>One plan of many.</summary>
public sealed record KeyedPlan(PlanMessage Plan, string? Key);

/// <summary>Asks a node to take up to 10,000 plans. Each is judged by itself.</summary>
public sealed record SubmitManyRequest(Durability Durability, IReadOnlyList<KeyedPlan> Plans)
    : IMessage<SubmitManyRequest>
{
    public static Opcode Opcode => Opcode.SubmitMany;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(2);
        writer.WriteInt64((int)Durability);
        writer.WriteArray(Plans.Count);
        foreach (var (plan, key) in Plans)
        {
            // A binary around each, so that one that cannot be read does not hide where the next one begins.
            int start = writer.BeginBinary();
            writer.WriteArray(2);
            writer.WriteStringOrNil(key);
            plan.Write(writer);
            writer.EndBinary(start);
        }
    }

    public static SubmitManyRequest Read(ref WireReader reader)
    {
        reader.ReadArray("submit_many", 2, 2);
        var durability = SubmitRequest.ReadDurability(ref reader);
        var plans = new KeyedPlan[reader.ReadArray("plans", 1, ProtocolLimits.PlansPerRequestMax, itemSlots: 2)];
        for (int i = 0; i < plans.Length && !reader.HasFailed; i++)
        {
            var one = new WireReader(reader.ReadBinary("plan", int.MaxValue));
            if (reader.HasFailed)
                break; // It has the better reason.
            plans[i] = ReadPlan(ref one);
            if (!one.TryEnd())
                reader.Refuse(one.Fault!.Code, one.Fault.Slot, one.Fault.Message);
        }

        return new SubmitManyRequest(durability, plans);
    }

    private static KeyedPlan ReadPlan(ref WireReader reader)
    {
        reader.ReadArray("keyed_plan", 2, 2);
        string? key = reader.ReadStringOrNil("key", ProtocolLimits.KeyBytesMax);
        return new KeyedPlan(PlanMessage.Read(ref reader), key);
    }
}

/// <summary>What became of one plan of many.</summary>
/// <param name="Error">Null when it was taken, as <paramref name="Plan"/>.</param>
public sealed record SubmitResult(UInt128 Plan, bool Existed, ErrorMessage? Error)
{
    internal void Write(FrameWriter writer)
    {
        if (Error is not null)
        {
            Error.Write(writer);
            return;
        }

        writer.WriteArray(2);
        writer.WriteUuid(Plan);
        writer.WriteBool(Existed);
    }

    internal static SubmitResult Read(ref WireReader reader)
    {
        var ahead = reader;
        return ahead.ReadArray("result", 2, 5) == 5
            ? new SubmitResult(default, false, ErrorMessage.Read(ref reader))
            : ReadTaken(ref reader);
    }

    private static SubmitResult ReadTaken(ref WireReader reader)
    {
        reader.ReadArray("result", 2, 2);
        return new SubmitResult(reader.ReadUuid("plan"), reader.ReadBool("existed"), null);
    }
}

/// <summary>One result for each plan, in their order.</summary>
public sealed record SubmitManyReply(Durability Durability, IReadOnlyList<SubmitResult> Results)
    : IMessage<SubmitManyReply>
{
    public static Opcode Opcode => Opcode.SubmitMany | Opcode.Reply;

    public void Write(FrameWriter writer)
    {
        writer.WriteArray(2);
        writer.WriteInt64((int)Durability);
        writer.WriteArray(Results.Count);
        foreach (var result in Results)
            result.Write(writer);
    }

    public static SubmitManyReply Read(ref WireReader reader)
    {
        reader.ReadArray("submit_many_reply", 2, 2);
        var durability = SubmitRequest.ReadDurability(ref reader);
        var results = new SubmitResult[reader.ReadArray("results", 0, ProtocolLimits.PlansPerRequestMax, itemSlots: 2)];
        for (int i = 0; i < results.Length && !reader.HasFailed; i++)
            results[i] = SubmitResult.Read(ref reader);
        return new SubmitManyReply(durability, results);
    }
}
