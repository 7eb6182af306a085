using Karya.Client.Plans;
using Karya.Protocol;
using Karya.Protocol.Messages;

namespace Karya.Client;

/// <summary>An owner of plans. Names need not be unique.</summary>
public sealed record KaryaUser(Guid Id, string Name, DateTimeOffset CreatedAt)
{
    internal static KaryaUser From(UserSnapshot user) =>
        new(Uuids.ToGuid(user.Id), user.Name, Durations.InstantFromMs(user.CreatedMs));
}
