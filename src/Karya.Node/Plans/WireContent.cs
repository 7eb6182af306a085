using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Node.Plans;

/// <summary>
/// Bodies of plans that came over the wire. They are stored as they came, MessagePack: the node has checked them and
/// need not write them again.
/// </summary>
/// <remarks>
/// <code>
/// [name, action, hooks]                 the content of a plan as docs/protocol.md has it
/// [name, action, hooks, fingerprint]    the same, of a plan whose id the client chose
/// </code>
/// The first byte, an array's, tells them from the JSON of the others.
/// </remarks>
internal static class WireContent
{
    private const byte ArrayOf3 = 0x93;
    private const byte ArrayOf4 = 0x94;

    private const int FingerprintBytes = 1 + sizeof(ulong);

    [ThreadStatic]
    private static FrameWriter? _writer;

    public static bool Is(ReadOnlySpan<byte> body) => !body.IsEmpty && body[0] is ArrayOf3 or ArrayOf4;

    /// <summary>
    /// A content behind the header of its array, which has three lengths on the wire and one in the store. Empty when
    /// it could not be read.
    /// </summary>
    public static ReadOnlySpan<byte> WithoutHeader(ReadOnlySpan<byte> content) => content.IsEmpty
        ? content
        : content[(content[0] switch { 0xDC => 3, 0xDD => 5, _ => 1 })..];

    /// <summary>What <see cref="Write(ReadOnlySpan{byte}, ulong?, Span{byte})"/> takes.</summary>
    public static int BytesOf(ReadOnlySpan<byte> items, bool hasFingerprint) =>
        1 + items.Length + (hasFingerprint ? FingerprintBytes : 0);

    /// <param name="items">A content without its header.</param>
    public static void Write(ReadOnlySpan<byte> items, ulong? fingerprint, Span<byte> target)
    {
        target[0] = fingerprint is null ? ArrayOf3 : ArrayOf4;
        items.CopyTo(target[1..]);
        if (fingerprint is not { } number)
            return;
        var end = target[(1 + items.Length)..];
        end[0] = 0xCF;
        BinaryPrimitives.WriteUInt64BigEndian(end[1..], number);
    }

    public static void Write(PlanBody body, IBufferWriter<byte> output)
    {
        var writer = _writer ??= new FrameWriter();
        writer.Clear();
        WireActions.ToMessage(body).Write(writer);
        var items = WithoutHeader(writer.Written.Span);
        int bytes = BytesOf(items, body.Fingerprint is not null);
        Write(items, body.Fingerprint, output.GetSpan(bytes));
        output.Advance(bytes);
    }

    /// <exception cref="PlanBodyDamagedException">The bytes are not what was checked when they came.</exception>
    public static PlanBody Read(ReadOnlySpan<byte> body)
    {
        var reader = new WireReader(body);
        int count = reader.ReadArray("content", 3, 4);
        string name = reader.ReadString("name", ProtocolLimits.DescriptionBytesMax);
        var action = ActionMessage.Read(ref reader);
        var hooks = ContentMessage.ReadHooks(ref reader);
        ulong? fingerprint = count == 4 ? reader.ReadUInt64("fingerprint") : null;
        if (!reader.TryEnd())
            throw Damaged(reader.Fault!);
        return new PlanBody(name, "", WireActions.Of(action), [.. hooks.Select(WireActions.Of)])
        {
            IsWire = true,
            Fingerprint = fingerprint,
        };
    }

    /// <exception cref="PlanBodyDamagedException">The bytes up to there are not what was checked.</exception>
    public static PlanAction ReadAction(ReadOnlySpan<byte> body, int hook)
    {
        if (hook > 0)
        {
            var hooks = Read(body).Hooks;
            return hook <= hooks.Count
                ? hooks[hook - 1].Action
                : throw new PlanBodyDamagedException($"It has no hook number {hook}.");
        }

        var reader = new WireReader(body);
        reader.ReadArray("content", 3, 4);
        reader.ReadUtf8("name", ProtocolLimits.DescriptionBytesMax);
        var action = ActionMessage.Read(ref reader);
        return reader.HasFailed ? throw Damaged(reader.Fault!) : WireActions.Of(action);
    }

    /// <summary>The task of a worker, as the plan or its hook has it. The spans are borrowed from the body.</summary>
    /// <exception cref="PlanBodyDamagedException">The body has another action there.</exception>
    public static WireTask ReadTask(ReadOnlySpan<byte> body, int hook)
    {
        if (hook > 0 || !Is(body))
        {
            return PlanBodyCodec.ReadAction(body, hook) is WorkerAction worker
                ? new WireTask(Encoding.UTF8.GetBytes(worker.Name), worker.Arguments, worker.TimeoutMs)
                : throw new PlanBodyDamagedException("Its action is not one of a worker.");
        }

        var reader = new WireReader(body);
        reader.ReadArray("content", 3, 4);
        reader.ReadUtf8("name", ProtocolLimits.DescriptionBytesMax);
        reader.ReadArray("action", 4, 4);
        reader.ReadInt32("action.kind", (int)ActionKind.Task, (int)ActionKind.Task);
        var name = reader.ReadUtf8("action.name", ProtocolLimits.TaskNameBytesMax);
        var arguments = reader.ReadBinary("action.arguments", ProtocolLimits.PayloadBytesMax);
        long timeoutMs = reader.ReadInt64("action.timeout", 0, ProtocolLimits.DurationMsMax);
        return reader.HasFailed ? throw Damaged(reader.Fault!) : new WireTask(name, arguments, timeoutMs);
    }

    private static PlanBodyDamagedException Damaged(WireFault fault) => new(fault.Message);
}
