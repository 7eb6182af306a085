using CsCheck;
using Xunit;

namespace Karya.Engine.Tests;

public sealed class IdentityTests
{
    private static readonly string[] GoldenIds =
    [
        "d92a7dec-9b55-8214-a06e-d3116bbd48fc",
        "d3eb2661-2879-8ba5-ae81-74ecaa7a8f86",
        "280257e8-7f23-8c2b-8602-7862e791cb80",
    ];

    private static readonly Gen<UInt128> Numbers =
        Gen.Select(Gen.ULong, Gen.ULong, (high, low) => new UInt128(high, low));

    [Fact]
    public void A_million_keys_have_a_million_ids_of_version_8()
    {
        var ids = new HashSet<Guid>(1_000_000);
        for (int i = 0; i < 1_000_000; i++)
        {
            var plan = new PlanId(new UInt128(0x0190_0000_0000_7000, (ulong)(i & 0xFFF)));
            var id = new TaskKey(plan, (i >> 16) + 1, (i >> 12) & 0xF).ToTaskId();
            if (id.Version != 8 || (id.Variant & 0xC) != 0x8 || !ids.Add(id))
                Assert.Fail($"Key {i} has the id {id}: not unique, or not a UUID of version 8.");
        }
    }

    [Fact]
    public void The_id_of_a_key_never_changes()
    {
        var plan = PlanId.From(new Guid("01902d5e-7a3b-7c1d-8e9f-0123456789ab"));

        Assert.Equal(GoldenIds, new[]
        {
            new TaskKey(plan, 1, 0).ToTaskId().ToString(),
            new TaskKey(plan, 1, 1).ToTaskId().ToString(),
            new TaskKey(plan, 2, 0).ToTaskId().ToString(),
        });
    }

    [Fact]
    public void Numbers_and_uuids_convert_both_ways() =>
        Numbers.Sample(number => Uuid.ToNumber(Uuid.ToGuid(number)) == number);

    [Fact]
    public void The_order_of_ids_is_the_order_of_their_bytes_and_of_their_text() =>
        Gen.Select(Numbers, Numbers).Sample((a, b) =>
        {
            int expected = Math.Sign(new PlanId(a).CompareTo(new PlanId(b)));
            byte[] left = Uuid.ToGuid(a).ToByteArray(bigEndian: true);
            byte[] right = Uuid.ToGuid(b).ToByteArray(bigEndian: true);
            string leftText = new PlanId(a).ToString();
            return Math.Sign(left.AsSpan().SequenceCompareTo(right)) == expected
                && Math.Sign(string.CompareOrdinal(leftText, new PlanId(b).ToString())) == expected;
        });

    [Fact]
    public void A_plan_id_is_written_in_lower_case_with_hyphens()
    {
        var id = PlanId.From(new Guid("ABCDEF01-2345-7678-9ABC-DEF012345678"));
        Assert.Equal("abcdef01-2345-7678-9abc-def012345678", id.ToString());
    }
}
