using Npgsql;
using NpgsqlTypes;

namespace Karya.Node.Storage.Postgres;

/// <summary>Lists as array parameters: the same list, filled again and again, makes no arrays.</summary>
internal static class Lists
{
    public static NpgsqlParameter OfInt16(List<short> list) => Of(list, NpgsqlDbType.Smallint);

    public static NpgsqlParameter OfInt32(List<int> list) => Of(list, NpgsqlDbType.Integer);

    public static NpgsqlParameter OfInt64(List<long> list) => Of(list, NpgsqlDbType.Bigint);

    public static NpgsqlParameter OfUuid(List<Guid> list) => Of(list, NpgsqlDbType.Uuid);

    private static NpgsqlParameter Of<T>(List<T> list, NpgsqlDbType elements) =>
        new() { Value = list, NpgsqlDbType = NpgsqlDbType.Array | elements };
}
