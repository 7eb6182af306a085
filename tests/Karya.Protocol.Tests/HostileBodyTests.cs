using System.Text;
using Karya.Protocol.Messages;
using Xunit;

namespace Karya.Protocol.Tests;

/// <summary>Bodies that no honest peer sends. Each is refused with a code, the slot, and a sentence.</summary>
public sealed class HostileBodyTests
{
    private const string Uuid = "C4100192F0C12B3C7D4E8F5061728394A5B6";
    private const string Policy = "9400C0C000";
    private const string Content = "93A1749406A162C40000" + "90";

    /// <summary>Beginning of a plan whose schedule comes next.</summary>
    private const string Submit = "9300C095" + Uuid;

    public static TheoryData<string, string, ErrorCode, string, string> Cases() => new()
    {
        // An array that lies about its length.
        {
            "submit.full", "DDFFFFFFFF0000000000",
            ErrorCode.Malformed, "submit", "submit is an array that claims 4294967295 items with 5 bytes left."
        },
        {
            "submit.full", "DCFFFF00",
            ErrorCode.Malformed, "submit", "submit is an array that claims 65535 items with 1 bytes left."
        },
        {
            "subscribe", "91DD7FFFFFFF92A16201",
            ErrorCode.Malformed, "names", "names is an array that claims 2147483647 items with 4 bytes left."
        },
        {
            "subscribe", "91DC000292A16201",
            ErrorCode.Malformed, "names", "names is an array that claims 2 items with 4 bytes left."
        },
        {
            "submit.full", "DD0000",
            ErrorCode.Malformed, "submit", "submit is cut off: 4 bytes of its length or value are expected, 2 are left."
        },
        {
            "submit.full", "",
            ErrorCode.Malformed, "submit", "submit is missing: the message ends before it."
        },

        // Maps, texts and binaries that lie.
        {
            "submit.full", "DFFFFFFFFF00",
            ErrorCode.Malformed, "submit", "submit must be an array; found is a map."
        },
        {
            "submit.full", "81A16100",
            ErrorCode.Malformed, "submit", "submit must be an array; found is a map."
        },
        {
            "create_user", "91DBFFFFFFFF41",
            ErrorCode.Malformed, "name", "name is a text that claims 4294967295 bytes with 1 bytes left."
        },
        {
            "create_user", "91DA010041",
            ErrorCode.Malformed, "name", "name is a text that claims 256 bytes with 1 bytes left."
        },
        {
            "create_user", "91D90241",
            ErrorCode.Malformed, "name", "name is a text that claims 2 bytes with 1 bytes left."
        },
        {
            "create_user", "91A241",
            ErrorCode.Malformed, "name", "name is a text that claims 2 bytes with 1 bytes left."
        },
        {
            "tasks", "93" + Uuid + "01C6FFFFFFFF41",
            ErrorCode.Malformed, "cursor", "cursor is a binary that claims 4294967295 bytes with 1 bytes left."
        },
        {
            "tasks", "93" + Uuid + "01C5FFFF",
            ErrorCode.Malformed, "cursor", "cursor is a binary that claims 65535 bytes with 0 bytes left."
        },
        {
            "tasks", "93" + Uuid + "01C4",
            ErrorCode.Malformed, "cursor", "cursor is cut off: 1 bytes of its length or value are expected, 0 are left."
        },
        {
            "submit_many", "920091C6FFFFFFFF00",
            ErrorCode.Malformed, "plan", "plan is a binary that claims 4294967295 bytes with 1 bytes left."
        },

        // Slots of a wrong type, missing and in excess.
        {
            "create_user", "9107",
            ErrorCode.Malformed, "name", "name must be a text; found is a whole number."
        },
        {
            "create_user", "91FF",
            ErrorCode.Malformed, "name", "name must be a text; found is a whole number."
        },
        {
            "create_user", "91C0",
            ErrorCode.Malformed, "name", "name must be a text; found is nil."
        },
        {
            "create_user", "91C3",
            ErrorCode.Malformed, "name", "name must be a text; found is a boolean."
        },
        {
            "create_user", "91C400",
            ErrorCode.Malformed, "name", "name must be a text; found is a binary."
        },
        {
            "create_user", "9190",
            ErrorCode.Malformed, "name", "name must be a text; found is an array."
        },
        {
            "create_user", "91CB3FF0000000000000",
            ErrorCode.Malformed, "name", "name must be a text; found is a floating-point number."
        },
        {
            "tasks", "93" + Uuid + "01A0",
            ErrorCode.Malformed, "cursor", "cursor must be a binary; found is a text."
        },
        {
            "tasks", "93" + Uuid + "A101C0",
            ErrorCode.Malformed, "limit", "limit must be a whole number; found is a text."
        },
        {
            "progress", "932AA100C0",
            ErrorCode.Malformed, "progress.fraction", "progress.fraction must be a number; found is a text."
        },
        {
            "progress.reply", "9101",
            ErrorCode.Malformed, "held", "held must be true or false; found is a whole number."
        },
        {
            "create_user", "90",
            ErrorCode.Malformed, "create_user", "create_user has 0 items; expected are 1."
        },
        {
            "create_user", "92A14100",
            ErrorCode.Malformed, "create_user", "create_user has 2 items; expected are 1."
        },
        {
            "hello", "940101A24142",
            ErrorCode.Malformed, "hello.token", "hello.token is missing: the message ends before it."
        },
        {
            "tasks", "93C40F000102030405060708090A0B0C0D0E01C0",
            ErrorCode.Malformed, "plan", "plan is a binary of 15 bytes; a UUID has 16."
        },
        {
            "tasks", "93C411000102030405060708090A0B0C0D0E0F1001C0",
            ErrorCode.Malformed, "plan", "plan is a binary of 17 bytes; a UUID has 16."
        },
        {
            "submit.full", Submit + "9301000000",
            ErrorCode.Malformed, "schedule", "schedule has 3 items; expected are 2."
        },
        {
            "submit.full", Submit + "920300",
            ErrorCode.Malformed, "schedule", "schedule has 2 items; expected are 4."
        },
        {
            "submit.full", Submit + "920100" + Policy + "93A1749306A162C40000",
            ErrorCode.Malformed, "action", "action has 3 items; expected are 4."
        },

        // Extensions, timestamps, and the byte that means nothing.
        {
            "create_user", "91D40100",
            ErrorCode.Malformed, "name", "name must be a text; found is an extension."
        },
        {
            "create_user", "91C7FF01",
            ErrorCode.Malformed, "name", "name must be a text; found is an extension."
        },
        {
            "create_user", "91D6FF65000000",
            ErrorCode.Malformed, "name", "name must be a text; found is an extension."
        },
        {
            "create_user", "91C1",
            ErrorCode.Malformed, "name", "name must be a text; found is the byte 0xC1, which means nothing."
        },
        {
            "tasks", "93" + Uuid + "D6FF65000000C0",
            ErrorCode.Malformed, "limit", "limit must be a whole number; found is an extension."
        },

        // Texts that are none.
        {
            "create_user", "91A1FF",
            ErrorCode.InvalidText, "name", "name is not valid UTF-8, or has a NUL in it."
        },
        {
            "create_user", "91A1C3",
            ErrorCode.InvalidText, "name", "name is not valid UTF-8, or has a NUL in it."
        },
        {
            "create_user", "91A2C080",
            ErrorCode.InvalidText, "name", "name is not valid UTF-8, or has a NUL in it."
        },
        {
            "create_user", "91A3EDA080",
            ErrorCode.InvalidText, "name", "name is not valid UTF-8, or has a NUL in it."
        },
        {
            "create_user", "91A4F4908080",
            ErrorCode.InvalidText, "name", "name is not valid UTF-8, or has a NUL in it."
        },
        {
            "create_user", "91A3410042",
            ErrorCode.InvalidText, "name", "name is not valid UTF-8, or has a NUL in it."
        },

        // Something behind the message.
        {
            "create_user", "91A14100",
            ErrorCode.Malformed, "", "1 bytes after the message."
        },
        {
            "ping", "9090909090",
            ErrorCode.Malformed, "", "4 bytes after the message."
        },

        // Numbers out of range, or none.
        {
            "progress", "932ACB7FF8000000000000C0",
            ErrorCode.OutOfRange, "progress.fraction", "progress.fraction is NaN; it must be from 0 to 1."
        },
        {
            "progress", "932ACA7FC00000C0",
            ErrorCode.OutOfRange, "progress.fraction", "progress.fraction is NaN; it must be from 0 to 1."
        },
        {
            "progress", "932ACB7FF0000000000000C0",
            ErrorCode.OutOfRange, "progress.fraction", "progress.fraction is Infinity; it must be from 0 to 1."
        },
        {
            "progress", "932ACBFFF0000000000000C0",
            ErrorCode.OutOfRange, "progress.fraction", "progress.fraction is -Infinity; it must be from 0 to 1."
        },
        {
            "progress", "932ACB8000000000000000C0",
            ErrorCode.OutOfRange, "progress.fraction", "progress.fraction is -0; it must be from 0 to 1."
        },
        {
            "progress", "932ACA80000000C0",
            ErrorCode.OutOfRange, "progress.fraction", "progress.fraction is -0; it must be from 0 to 1."
        },
        {
            "progress", "932ACB3FF0000000000001C0",
            ErrorCode.OutOfRange, "progress.fraction",
            "progress.fraction is 1.0000000000000002; it must be from 0 to 1."
        },
        {
            "progress", "932A02C0",
            ErrorCode.OutOfRange, "progress.fraction", "progress.fraction is 2; it must be from 0 to 1."
        },
        {
            "progress", "932AFFC0",
            ErrorCode.OutOfRange, "progress.fraction", "progress.fraction is -1; it must be from 0 to 1."
        },
        {
            "progress", "93FF00C0",
            ErrorCode.OutOfRange, "progress.id", "progress.id is -1; it must be from 0 to 18446744073709551615."
        },
        {
            "update", "94" + Uuid + "CF8000000000000000C0C0",
            ErrorCode.OutOfRange, "period", "period is 9223372036854775808; it must be below 2^63."
        },
        {
            "update", "94" + Uuid + "00C0C0",
            ErrorCode.OutOfRange, "period", "period is 0; it must be from 1 to 3162240000000."
        },
        {
            "update", "94" + Uuid + "D38000000000000000C0C0",
            ErrorCode.OutOfRange, "period", "period is -9223372036854775808; it must be from 1 to 3162240000000."
        },
        {
            "update", "94" + Uuid + "CB3FF0000000000000C0C0",
            ErrorCode.OutOfRange, "period", "period is a floating-point number; it must be a whole number."
        },
        {
            "update", "94" + Uuid + "C0CD03E8C0",
            ErrorCode.OutOfRange, "retries", "retries is 1000; it must be from 0 to 999."
        },
        {
            "tasks", "93" + Uuid + "00C0",
            ErrorCode.OutOfRange, "limit", "limit is 0; it must be from 1 to 1000."
        },
        {
            "tasks", "93" + Uuid + "CD03E9C0",
            ErrorCode.OutOfRange, "limit", "limit is 1001; it must be from 1 to 1000."
        },
        {
            "hello", "940101A0D9",
            ErrorCode.Malformed, "hello.token",
            "hello.token is cut off: 1 bytes of its length or value are expected, 0 are left."
        },

        // Kinds that nobody knows.
        {
            "submit.full", Submit + "920500",
            ErrorCode.OutOfRange, "schedule.kind",
            "schedule.kind is 5; known are 1 (after), 2 (at), 3 (every) and 4 (cron)."
        },
        {
            "submit.full", Submit + "920100" + Policy + "93A1749209A0",
            ErrorCode.UnknownAction, "action.kind",
            "action.kind is 9; known are 1 (REST), 2 (Slack), 3 (e-mail), 4 (Kafka), 5 (chain) and 6 (task)."
        },
        {
            "update", "94" + Uuid + "C0C09193030094",
            ErrorCode.UnknownTrigger, "hook.event", "hook.event is 3; known are 1 (failure) and 2 (completion)."
        },

        // Maps of partitions that name nobody, or nothing.
        {
            "map.reply", "93019192A16101C4020001",
            ErrorCode.OutOfRange, "map.owners", "map.owners names node 1 of 1."
        },
        {
            "map.reply", "93019192A16101C403000000",
            ErrorCode.Malformed, "map.owners", "map.owners has 3 bytes; expected are two for each partition."
        },
        {
            "map.reply", "93019192A16101C400",
            ErrorCode.Malformed, "map.owners", "map.owners has 0 bytes; expected are two for each partition."
        },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void A_body_that_is_wrong_is_refused_with_code_slot_and_reason(
        string kind, string body, ErrorCode code, string slot, string message) =>
        Assert.Equal(
            new WireFault(code, slot, message), Samples.Named(kind).FaultOf(Convert.FromHexString(body)));

    [Fact]
    public void A_byte_behind_one_plan_of_many_is_noticed()
    {
        var writer = new FrameWriter();
        writer.WriteArray(2);
        writer.WriteInt64(0);
        writer.WriteArray(1);
        int start = writer.BeginBinary();
        writer.WriteRaw(Convert.FromHexString($"92C095{Uuid}920100{Policy}{Content}C0"));
        writer.WriteNil();
        writer.EndBinary(start);

        Assert.Equal(
            new WireFault(ErrorCode.Malformed, "", "1 bytes after the message."),
            Samples.Named("submit_many").FaultOf(writer.Written.Span));
    }

    [Theory]
    [InlineData(10_000)]
    [InlineData(1_000_000)]
    public void Deep_nesting_ends_at_the_first_slot_that_is_no_array(int depth)
    {
        byte[] body = new byte[depth];
        Array.Fill(body, (byte)0x91);

        foreach (var sample in Samples.All)
            Assert.Equal(ErrorCode.Malformed, sample.FaultOf(body)?.Code);
    }

    [Theory]
    [InlineData(8, null)]
    [InlineData(9, "A plan is nested 9 deep; at most 8 are allowed.")]
    [InlineData(5000, "A plan is nested 9 deep; at most 8 are allowed.")]
    public void Plans_nest_eight_deep_and_no_deeper(int depth, string? message)
    {
        var body = new StringBuilder("9300C0");
        for (int i = 1; i < depth; i++)
            body.Append($"95{Uuid}920100{Policy}93A0").Append("9205");
        body.Append($"95{Uuid}920100{Policy}{Content}C0");
        for (int i = 1; i < depth; i++)
            body.Append("90C0");

        var fault = Samples.Named("submit.full").FaultOf(Convert.FromHexString(body.ToString()));

        Assert.Equal(message is null ? null : new WireFault(ErrorCode.ChainTooDeep, "plan", message), fault);
    }

    [Fact]
    public void A_map_of_many_keys_is_not_even_looked_at()
    {
        byte[] body = [0xDF, 0, 1, 0x86, 0xA0, .. Enumerable.Repeat((byte)0xA1, 200_000)];

        foreach (var sample in Samples.All)
        {
            Assert.Equal(ErrorCode.Malformed, sample.FaultOf(body)?.Code);
            Assert.InRange(Garbage.BytesOf(() => sample.FaultOf(body)), 0, 8192);
        }
    }

    [Theory]
    [InlineData(32, null)]
    [InlineData(33, ErrorCode.TooManyHooks)]
    public void A_plan_has_so_many_hooks_at_most(int count, ErrorCode? code)
    {
        string hook = "9301009406A162C40000";
        string body = $"94{Uuid}C0C0DC{count:X4}" + string.Concat(Enumerable.Repeat(hook, count));

        Assert.Equal(code, Samples.Named("update").FaultOf(Convert.FromHexString(body))?.Code);
    }

    [Theory]
    [InlineData("subscribe", ProtocolLimits.NamesPerWorkerMax, "92A16201", "names")]
    [InlineData("extend", ProtocolLimits.PageMax, "01", "ids")]
    [InlineData("finish", ProtocolLimits.PageMax, "950100C0C000", "ends")]
    public void A_list_is_as_long_as_its_limit_and_no_longer(string kind, int max, string item, string slot)
    {
        string body = string.Concat(Enumerable.Repeat(item, max));
        var sample = Samples.Named(kind);

        Assert.Null(sample.FaultOf(Convert.FromHexString($"91DC{max:X4}{body}")));
        var fault = sample.FaultOf(Convert.FromHexString($"91DC{max + 1:X4}{body}{item}"));
        Assert.Equal((ErrorCode.Malformed, slot), (fault?.Code, fault?.Slot));
        Assert.StartsWith($"{slot} has {max + 1} items; expected are ", fault?.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_text_is_as_long_as_its_limit_and_no_longer()
    {
        var sample = Samples.Of<CreateUserRequest>();
        byte[] body = [0x91, 0xDA, 0x04, 0x00, .. Enumerable.Repeat((byte)'a', 1025)];

        Assert.Null(sample.FaultOf(body.AsSpan(..^1)));
        body[3] = 1;
        Assert.Equal(
            new WireFault(ErrorCode.PayloadTooLarge, "name", "name has 1025 bytes; at most 1024 are allowed."),
            sample.FaultOf(body));
    }
}
