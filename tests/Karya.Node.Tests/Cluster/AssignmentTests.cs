using Karya.Node.Cluster;
using Karya.Protocol.Tests;
using Xunit;

namespace Karya.Node.Tests.Cluster;

public sealed class AssignmentTests
{
    private const int Rounds = 150;

    private static readonly int[] EqualWeights = [1];
    private static readonly int[] MixedWeights = [1, 1, 2, 3, 4, 8, 100];

    public static TheoryData<bool> Weights => [true, false];

    [Fact]
    public void Without_members_nobody_is_wanted() =>
        Assert.Equal([null, null], Assignment.Assign([], ["a", null]));

    [Fact]
    public void The_only_member_owns_everything() =>
        Assert.Equal(["a", "a", "a"], Assignment.Assign([new Member("a", 7)], ["b", null, "a"]));

    [Fact]
    public void Without_partitions_there_is_nothing_to_own() =>
        Assert.Empty(Assignment.Assign([new Member("a", 1)], []));

    [Fact]
    public void Of_more_members_than_partitions_nobody_owns_two() =>
        Assert.Distinct(Assignment.Assign([.. Enumerable.Range(0, 9).Select(Named)], new string?[3]));

    [Fact]
    public void The_heaviest_weights_there_are_do_not_overflow()
    {
        Member[] members = [new("a", int.MaxValue), new("b", int.MaxValue), new("c", 1)];
        var counts = Assignment.Assign(members, new string?[1001]).CountBy(name => name!).ToDictionary();
        Assert.Equal(500, counts["a"]);
        Assert.Equal(500, counts["b"]);
        Assert.Equal(1, counts["c"]);
    }

    /// <summary>Nodes of two versions have to agree, so what came out once comes out for ever.</summary>
    [Fact]
    public void The_answer_is_the_same_in_every_version()
    {
        Member[] members = [new("node-1", 1), new("node-2", 1), new("nöde-3", 2)];
        Assert.Equal("1212223333331133", string.Concat(
            Assignment.Assign(members, new string?[16]).Select(name => name![^1])));
        Assert.Equal("1201212111210021", string.Concat(
            Enumerable.Range(0, 16).Select(partition => Assignment.RankOf("node-1", members, partition))));
    }

    [Theory]
    [MemberData(nameof(Weights))]
    public void The_order_of_the_members_does_not_matter(bool areEqual) => Repeat(areEqual, (random, members, count) =>
    {
        var current = SomeOwners(random, members, count);
        var shuffled = members.ToArray();
        random.Shuffle(shuffled);
        Assert.Equal(Assignment.Assign(members, current), Assignment.Assign(shuffled, current));
    });

    [Theory]
    [MemberData(nameof(Weights))]
    public void Whoever_owned_before_everybody_gets_the_fair_share(bool areEqual) =>
        Repeat(areEqual, (random, members, count) =>
            CheckBalance(members, Assignment.Assign(members, SomeOwners(random, members, count))));

    [Theory]
    [MemberData(nameof(Weights))]
    public void A_member_that_joins_takes_its_share_and_nothing_else_moves(bool areEqual) =>
        Repeat(areEqual, (random, members, count) =>
        {
            var before = Assignment.Assign(members[1..], SomeOwners(random, members, count));
            var after = Assignment.Assign(members, before);
            int taken = 0;
            for (int partition = 0; partition < count; partition++)
            {
                Assert.True(after[partition] == before[partition] || after[partition] == members[0].Name);
                taken += after[partition] == before[partition] ? 0 : 1;
            }

            double share = FairShare(members, members[0], count);
            Assert.InRange(taken, 0, Math.Ceiling(share));
            if (areEqual)
                Assert.InRange(taken, Math.Floor(share), count);
        });

    [Theory]
    [MemberData(nameof(Weights))]
    public void When_a_member_leaves_only_what_it_had_moves(bool areEqual) =>
        Repeat(areEqual, (random, members, count) =>
        {
            var before = Assignment.Assign(members, SomeOwners(random, members, count));
            var after = Assignment.Assign(members[1..], before);
            for (int partition = 0; partition < count; partition++)
                Assert.True(after[partition] == before[partition] || before[partition] == members[0].Name);
        });

    [Theory]
    [MemberData(nameof(Weights))]
    public void Of_any_owners_no_more_lose_a_partition_than_have_too_many(bool areEqual) =>
        Repeat(areEqual, (random, members, count) =>
        {
            var current = SomeOwners(random, members, count);
            var wanted = Assignment.Assign(members, current);
            var had = current.CountBy(name => name ?? "").ToDictionary();
            var has = wanted.CountBy(name => name!).ToDictionary();
            int tooMany = members.Sum(member =>
                Math.Max(0, had.GetValueOrDefault(member.Name) - has.GetValueOrDefault(member.Name)));
            var alive = members.Select(member => member.Name).ToHashSet();
            int lost = Enumerable.Range(0, count).Count(partition =>
                current[partition] is { } owner && alive.Contains(owner) && owner != wanted[partition]);
            Assert.Equal(tooMany, lost);
        });

    [Theory]
    [MemberData(nameof(Weights))]
    public void Its_own_answer_it_leaves_alone(bool areEqual) => Repeat(areEqual, (random, members, count) =>
    {
        var wanted = Assignment.Assign(members, SomeOwners(random, members, count));
        Assert.Equal(wanted, Assignment.Assign(members, wanted));
    });

    [Theory]
    [MemberData(nameof(Weights))]
    public void Half_of_the_moves_done_or_only_released_the_wanted_owners_are_the_same(bool areEqual) =>
        Repeat(areEqual, (random, members, count) =>
        {
            var current = SomeOwners(random, members, count);
            var wanted = Assignment.Assign(members, current);
            for (int partition = 0; partition < count; partition++)
            {
                if (current[partition] == wanted[partition])
                    continue;

                current[partition] = random.Next(3) switch
                {
                    0 => current[partition],
                    1 => null,
                    _ => wanted[partition],
                };
            }

            Assert.Equal(wanted, Assignment.Assign(members, current));
        });

    [Theory]
    [MemberData(nameof(Weights))]
    public void After_any_joins_and_leaves_the_balance_holds_and_no_step_moves_more_than_it_must(bool areEqual) =>
        Repeat(areEqual, (random, members, count) =>
        {
            var present = members.Where(_ => random.Next(2) == 0).ToList();
            var owners = Assignment.Assign(present, new string?[count]);
            for (int step = 0; step < 12; step++)
            {
                var turned = members[random.Next(members.Length)];
                bool leaves = present.Remove(turned);
                if (!leaves)
                    present.Add(turned);

                var wanted = Assignment.Assign(present, owners);
                int moved = wanted.Zip(owners).Count(pair => pair.First != pair.Second);
                bool isFirst = !leaves && present.Count == 1;
                Assert.Equal(isFirst ? count : (leaves ? owners : wanted).Count(name => name == turned.Name), moved);
                CheckBalance(present, wanted);
                owners = wanted;
            }
        });

    [Fact]
    public void Computed_from_nothing_a_join_moves_more_than_the_newcomer_takes()
    {
        (int taken, int moved) = (0, 0);
        for (int round = 0; round < 100; round++)
        {
            var members = Enumerable.Range(round * 10, 9).Select(Named).ToArray();
            var before = Assignment.Assign(members[1..], new string?[256]);
            var after = Assignment.Assign(members, new string?[256]);
            taken += after.Count(name => name == members[0].Name);
            moved += after.Zip(before).Count(pair => pair.First != pair.Second);
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{(double)moved / taken:F2} times as many");
        Assert.InRange((double)moved / taken, 1.2, 5);
    }

    [Fact]
    public void A_member_that_comes_back_takes_most_of_what_it_had()
    {
        (int had, int again) = (0, 0);
        for (int round = 0; round < 100; round++)
        {
            var members = Enumerable.Range(round * 10, 8).Select(Named).ToArray();
            var before = Assignment.Assign(members, new string?[256]);
            var after = Assignment.Assign(members, Assignment.Assign(members[1..], before));
            had += before.Count(name => name == members[0].Name);
            again += after.Zip(before).Count(pair => pair.First == members[0].Name && pair.Second == pair.First);
        }

        TestContext.Current.TestOutputHelper?.WriteLine($"{again} of {had}");
        Assert.InRange((double)again / had, 0.5, 1);
    }

    [Theory]
    [MemberData(nameof(Weights))]
    public void The_ranks_of_a_partition_are_an_order_of_its_members(bool areEqual) =>
        Repeat(areEqual, (random, members, count) =>
        {
            int partition = random.Next(count);
            var ranks = members.Select(member => Assignment.RankOf(member.Name, members, partition));
            Assert.Equal(Enumerable.Range(0, members.Length), ranks.Order());
        });

    [Fact]
    public void Who_is_no_member_comes_after_all_of_them() =>
        Assert.Equal(2, Assignment.RankOf("c", [new Member("a", 1), new Member("b", 1)], partition: 0));

    [Fact]
    public void A_member_of_twice_the_weight_is_the_first_choice_twice_as_often()
    {
        Member[] members = [new("a", 1), new("b", 2), new("c", 1)];
        int first = Enumerable.Range(0, 10_000).Count(partition => Assignment.RankOf("b", members, partition) == 0);
        Assert.InRange(first, 4_800, 5_200);
    }

    [Theory]
    [MemberData(nameof(Weights))]
    public void Among_fewer_members_the_order_of_those_who_stay_is_the_same(bool areEqual) =>
        Repeat(areEqual, (random, members, count) =>
        {
            int partition = random.Next(count);
            int[] all = [.. members[1..].Select(member => Assignment.RankOf(member.Name, members, partition))];
            int[] few = [.. members[1..].Select(member => Assignment.RankOf(member.Name, members[1..], partition))];
            int gone = Assignment.RankOf(members[0].Name, members, partition);
            Assert.Equal(all.Select(rank => rank > gone ? rank - 1 : rank), few);
        });

    private static void CheckBalance(IReadOnlyList<Member> members, string?[] owners)
    {
        if (members.Count == 0)
        {
            Assert.All(owners, Assert.Null);
            return;
        }

        var counts = owners.CountBy(name => name!).ToDictionary();
        Assert.Equal(owners.Length, members.Sum(member => counts.GetValueOrDefault(member.Name)));
        bool areEqual = members.DistinctBy(member => member.Weight).Count() == 1;
        foreach (var member in members)
        {
            double share = FairShare(members, member, owners.Length);
            int count = counts.GetValueOrDefault(member.Name);
            Assert.InRange(count, 0, Math.Ceiling(share));
            Assert.True(count >= (share * (1 - ((double)members.Count / owners.Length))) - 1e-9);
            if (areEqual)
                Assert.InRange(count, Math.Floor(share), Math.Ceiling(share));
        }
    }

    private static double FairShare(IReadOnlyList<Member> members, Member member, int partitionCount) =>
        (double)((decimal)partitionCount * member.Weight / members.Sum(each => (long)each.Weight));

    private static Member Named(int number) => new($"node-{number}", 1);

    /// <summary>Members that are there, some that are not, and nobody, some of them more often than others.</summary>
    private static string?[] SomeOwners(Random random, Member[] members, int count)
    {
        string?[] names = [null, "gone", .. members.Select(member => member.Name)];
        int few = random.Next(1, names.Length + 1);
        random.Shuffle(names);
        return [.. Enumerable.Range(0, count).Select(_ => names[random.Next(few)])];
    }

    private static void Repeat(bool areEqual, Action<Random, Member[], int> check)
    {
        int seed = Seed.Take();
        var random = new Random(seed);
        try
        {
            for (int round = 0; round < Rounds; round++)
            {
                int[] weights = areEqual ? EqualWeights : MixedWeights;
                var names = new HashSet<string>();
                int memberCount = random.Next(1, 65);
                while (names.Count < memberCount)
                    names.Add(SomeName(random));
                Member[] members = [.. names.Select(name => new Member(name, weights[random.Next(weights.Length)]))];
                check(random, members, random.Next(1, 1025));
            }
        }
        catch (Exception e)
        {
            throw new InvalidOperationException(Seed.Describe(seed), e);
        }
    }

    private static string SomeName(Random random) => random.Next(3) switch
    {
        0 => $"node-{random.Next(100)}",
        1 => new string([.. Enumerable.Range(0, random.Next(1, 20)).Select(_ => (char)random.Next(' ', 0xD800))]),
        _ => $"{(char)random.Next('a', 'e')}.{(char)random.Next('A', 'E')}{random.Next(10)}",
    };
}
