using System.Globalization;
using MessagePack;
using Xunit;

namespace Karya.Protocol.Tests;

/// <summary>The limits in the text are those of the code: what lies just outside is refused for that reason.</summary>
public sealed class DocumentedLimitTests
{
    private readonly ProtocolDocument _document = new();

    [Fact]
    public void Values_just_outside_the_limits_of_the_text_are_refused()
    {
        var records = DocumentedRecords.All().ToDictionary(record => record.Name);
        int tried = 0;

        foreach (var (heading, rows) in _document.LayoutRows())
        {
            if (records.TryGetValue(heading, out var record))
                tried += Try(heading, rows, record.Body, record.Read);
            else if (SampleOf(heading) is { } sample)
                tried += Try(heading, rows, sample.Body, body => sample.FaultOf(body));
        }

        Assert.InRange(tried, 200, 1000); // Else the text is not understood any more.
    }

    private static Sample? SampleOf(string heading) => Samples.All.FirstOrDefault(
        sample => heading.StartsWith($"0x{(byte)sample.Opcode:X2}", StringComparison.Ordinal));

    private static int Try(string heading, IReadOnlyList<string[]> rows, byte[] body, Func<byte[], WireFault?> read)
    {
        int tried = 0;
        var reader = new MessagePackReader(body);
        if (reader.ReadArrayHeader() == 0)
            return 0;
        foreach (string[] row in rows)
        {
            int start = (int)reader.Consumed;
            reader.Skip();
            int end = (int)reader.Consumed;
            foreach (var (value, inside) in Values(row[2].TrimEnd('?'), row[3]))
            {
                byte[] changed = [.. body.AsSpan(..start), .. value, .. body.AsSpan(end..)];
                var fault = read(changed);
                bool isLimit = fault is not null && fault.Slot == row[1].Trim('`') &&
                    !fault.Message.Contains("must be a", StringComparison.Ordinal);
                Assert.True(isLimit != inside, $"{heading}, {row[1]}, {row[3]}: {fault}");
                tried++;
            }
        }

        return tried;
    }

    /// <summary>Values at the limits and just outside.</summary>
    private static IEnumerable<(byte[] Value, bool IsInside)> Values(string type, string limits)
    {
        if (limits.StartsWith('≤'))
        {
            int bytes = (int)Number(limits[1..^1]);
            bool isText = type == "text";
            yield return (Blob(isText, bytes), true);
            yield return (Blob(isText, bytes + 1), false);
        }
        else if (limits.Contains("..", StringComparison.Ordinal) && type is "int" or "instant" or "duration")
        {
            string[] ends = limits.Split("..");
            yield return (Whole(Number(ends[0])), true);
            yield return (Whole(Number(ends[0]) - 1), false);
            yield return (Whole(ends[1].Length > 0 ? Number(ends[1]) : long.MaxValue), true);
            if (ends[1].Length > 0)
                yield return (Whole(Number(ends[1]) + 1), false);
        }
        else if (type is "int" or "instant" or "duration" && limits.Length == 0)
        {
            yield return (Whole(long.MinValue), true);
            yield return (Whole(long.MaxValue), true);
        }
    }

    private static long Number(string text) => long.Parse(text.Trim(), NumberStyles.AllowThousands, null);

    private static byte[] Whole(long value)
    {
        var writer = new FrameWriter();
        writer.WriteInt64(value);
        return writer.Written.ToArray();
    }

    private static byte[] Blob(bool isText, int bytes)
    {
        var writer = new FrameWriter();
        if (isText)
            writer.WriteString(new string('a', bytes));
        else
            writer.WriteBinary(new byte[bytes]);
        return writer.Written.ToArray();
    }
}
