using System.Globalization;
using System.Reflection;
using System.Text.RegularExpressions;
using Karya.Protocol.Messages;
using MessagePack;
using Xunit;

namespace Karya.Protocol.Tests;

/// <summary>The normative text and the code say the same.</summary>
public sealed partial class ProtocolDocumentTests
{
    private const byte NothingByte = 0xC1;

    private readonly ProtocolDocument _document = new();

    [Fact]
    public void The_table_of_opcodes_is_that_of_the_code()
    {
        var rows = _document.Table("| opcode | name | sent by | reply | what for |");

        Assert.Equal(
            Enum.GetValues<Opcode>().Except([Opcode.None, Opcode.Reply])
                .Select(opcode => $"0x{(byte)opcode:X2} {Words(opcode.ToString())} {Reply(opcode)}"),
            rows.Select(row => $"{row[0]} {row[1]} {row[3]}"));
    }

    [Fact]
    public void The_table_of_errors_is_that_of_the_code() =>
        Assert.Equal(
            Enum.GetValues<ErrorCode>().Select(code => $"{(int)code} {ErrorNames.Of(code)} {Ends(code)}"),
            _document.Table("| code | name | meaning | what to do | ends |")
                .Select(row => $"{row[0]} {row[1]} {row[4]}"));

    [Fact]
    public void The_table_of_limits_is_that_of_the_code() =>
        Assert.Equal(
            typeof(ProtocolLimits).GetFields(BindingFlags.Static | BindingFlags.Public).Select(field =>
                $"`{field.Name}` {Convert.ToInt64(field.GetRawConstantValue(), null).ToString("N0", null)}"),
            _document.Table("| limit | value | of |").Select(row => $"{row[0]} {row[1]}"));

    /// <summary>
    /// Each slot in turn is replaced by a byte that means nothing: the name in the fault is the one in the text.
    /// </summary>
    [Fact]
    public void The_slots_of_messages_are_those_of_the_text()
    {
        var seen = new HashSet<Opcode>();
        foreach (var (heading, slots) in _document.Layouts())
        {
            foreach (Match code in Opcodes().Matches(heading))
            {
                var opcode = (Opcode)byte.Parse(code.ValueSpan[2..], NumberStyles.HexNumber, null);
                var sample = Samples.All.First(sample => sample.Opcode == opcode);
                seen.Add(opcode);
                if (slots.Count > 0 || sample.Body is [0x90])
                    Assert.Equal(slots, SlotsOf(sample.Body, body => sample.FaultOf(body)));
            }
        }

        Assert.Empty(Samples.All.Select(sample => sample.Opcode).Except(seen));
    }

    [Fact]
    public void The_slots_of_records_are_those_of_the_text()
    {
        var slots = _document.Layouts().Where(layout => !layout.Heading.StartsWith("0x", StringComparison.Ordinal))
            .ToDictionary(layout => layout.Heading, layout => layout.Slots);

        foreach (var (name, body, read) in DocumentedRecords.All())
        {
            Assert.Equal(slots[name], SlotsOf(body, read));
            slots.Remove(name);
        }

        Assert.Empty(slots.Keys);
    }

    [Fact]
    public void The_example_is_what_is_written()
    {
        var map = new PartitionMap(1, [new NodeEndpoint("127.0.0.1", 7070)], [0, 0, 0, 0]);
        var limits = new ConnectionLimits(4 * 1024 * 1024, 256, 60_000, 30_000);
        var content = new ContentMessage("resize", new TaskAction("resize-image", "{}"u8.ToArray(), 0), []);
        var policy = new PolicyMessage(3, null, null, MissedRuns.Once);
        var plan = new PlanMessage(Samples.User, new ScheduleMessage.After(5000), policy, content);

        AssertExample("HELLO", 1, new Hello(1, 1, "example/1.0", null));
        AssertExample("WELCOME", 1, new Welcome(1, "node-1", "0.1.0", 1_795_400_000_000, limits, map));
        AssertExample("SUBMIT", 2, new SubmitRequest(plan, Durability.Durable, "order-4711"));
        AssertExample("SUBMIT reply", 2, new SubmitReply(Samples.Plan, Durability.Durable, false));
    }

    private void AssertExample<T>(string name, uint correlation, T message) where T : IMessage<T>
    {
        var writer = new FrameWriter();
        writer.Write(correlation, message);

        Assert.Equal(Convert.ToHexString(writer.Written.Span), Convert.ToHexString(_document.Example(name)));
    }

    /// <summary>The names by which a body's slots are refused, in their order.</summary>
    private static List<string> SlotsOf(byte[] body, Func<byte[], WireFault?> read)
    {
        Assert.Null(read(body));
        var slots = new List<string>();
        var reader = new MessagePackReader(body);
        for (int left = reader.ReadArrayHeader(); left > 0; left--)
        {
            int start = (int)reader.Consumed;
            reader.Skip();
            byte[] changed = [.. body.AsSpan(..start), NothingByte, .. body.AsSpan((int)reader.Consumed..)];
            slots.Add(read(changed)?.Slot ?? "not noticed");
        }

        return slots;
    }

    private static string Reply(Opcode opcode) =>
        opcode is < Opcode.MapChanged or Opcode.Forward or Opcode.CatchUp
            ? $"0x{(byte)(opcode | Opcode.Reply):X2}"
            : "none";

    /// <summary>As in the comments of <see cref="ErrorCode"/>: the first group is of the connection.</summary>
    private static string Ends(ErrorCode code) => code is > ErrorCode.None and < ErrorCode.Malformed ? "yes" : "no";

    private static string Words(string name) => Capitals().Replace(name, "_").ToUpperInvariant();

    [GeneratedRegex("(?<=.)(?=[A-Z])")]
    private static partial Regex Capitals();

    [GeneratedRegex("0x[0-9A-F]{2}")]
    private static partial Regex Opcodes();
}
